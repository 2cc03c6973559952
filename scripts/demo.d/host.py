"""A plugin for the reference agent: facts of the machine it runs on."""

import os
import platform
import socket


class Plugin:
    def facts(self, greeting="hello"):
        return {
            "greeting": greeting,
            "hostname": socket.gethostname(),
            "kernel": platform.release(),
            "cpus": os.cpu_count(),
        }
