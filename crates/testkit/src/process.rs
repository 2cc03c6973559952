//! Processes of services.

use std::process::{Child, Command, Stdio};

/// Is a process that is killed with the test.
pub struct Process(pub Child);

impl Process {
    /// Gives the command that starts `program`, a service, on this database and broker: small, on loopback, silent.
    pub fn command(program: &str, database_url: &str, amqp_url: &str) -> Command {
        let mut command = Command::new(program);
        command
            .args(["--database-url", database_url, "--amqp-url", amqp_url])
            .args(["--listen", "127.0.0.1:0", "--admin-listen", "127.0.0.1:0"])
            .args(["--database-pool", "6", "--workers", "1"])
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null());
        command
    }

    /// Kills it as a power cut would.
    pub fn kill(&mut self) {
        self.0.kill().unwrap();
        self.0.wait().unwrap();
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        let _gone = self.0.kill();
        let _waited = self.0.wait();
    }
}
