//! Signing against the originals' vectors, against GnuPG, and against signatures made to be refused.

#[cfg(test)]
mod crafted;
#[cfg(test)]
mod gnupg;
#[cfg(test)]
mod secret;
#[cfg(test)]
mod tokens;
#[cfg(test)]
mod vectors;
