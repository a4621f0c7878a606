//! Addresses of servers: `scheme://host:port/path`.

/// The parts of an address.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Endpoint<'a> {
    pub(crate) scheme: &'a str,
    /// A name or an IP address, an IPv6 one without its brackets.
    pub(crate) host: &'a str,
    pub(crate) port: Option<u16>,
    /// What follows, with its slash.
    pub(crate) path: &'a str,
}

/// Why a text is no address of a server. The text itself is not shown: it may hold a password.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub(crate) enum EndpointError {
    #[error("this is not a URL (allowed: scheme://host or scheme://host:port)")]
    NoScheme,
    #[error("a URL holds no user and no password here")]
    Credentials,
    #[error("the URL names no host")]
    NoHost,
    #[error("the URL's host is no host name and no IP address (an IPv6 address stands in brackets)")]
    Host,
    #[error("the URL's port is not a port (allowed: 1 to 65535)")]
    Port,
}

impl<'a> Endpoint<'a> {
    pub(crate) fn parse(text: &'a str) -> Result<Self, EndpointError> {
        let (scheme, rest) = text.split_once("://").ok_or(EndpointError::NoScheme)?;
        let (authority, path) = rest.split_at(rest.find(['/', '?', '#']).unwrap_or(rest.len()));
        if authority.contains('@') {
            return Err(EndpointError::Credentials);
        }
        let (host, port) = match authority.strip_prefix('[') {
            Some(bracketed) => {
                let (host, after) = bracketed.split_once(']').ok_or(EndpointError::Host)?;
                host.parse::<std::net::Ipv6Addr>().map_err(|_| EndpointError::Host)?;
                match after.strip_prefix(':') {
                    Some(port) => (host, Some(port)),
                    None if after.is_empty() => (host, None),
                    None => return Err(EndpointError::Host),
                }
            }
            None => {
                let (host, port) =
                    authority.split_once(':').map_or((authority, None), |(host, port)| (host, Some(port)));
                if host.is_empty() {
                    return Err(EndpointError::NoHost);
                }
                let allowed =
                    |character: char| character.is_ascii_alphanumeric() || matches!(character, '.' | '-' | '_');
                if !host.chars().all(allowed) {
                    return Err(EndpointError::Host);
                }
                (host, port)
            }
        };
        let port =
            port.map(|port| port.parse().ok().filter(|port| *port > 0).ok_or(EndpointError::Port)).transpose()?;
        Ok(Self { scheme, host, port, path })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_has_a_scheme_a_host_and_perhaps_a_port_and_a_path() {
        for (text, scheme, host, port, path) in [
            ("tcp://10.20.1.12:502", "tcp", "10.20.1.12", Some(502), ""),
            ("mqtts://broker.lan", "mqtts", "broker.lan", None, ""),
            ("mqtt://[fe80::1]:1884", "mqtt", "fe80::1", Some(1884), ""),
            ("mqtt://[::1]", "mqtt", "::1", None, ""),
            ("https://erp.example.com/odoo/", "https", "erp.example.com", None, "/odoo/"),
        ] {
            assert_eq!(Endpoint::parse(text), Ok(Endpoint { scheme, host, port, path }), "{text}");
        }
    }

    #[test]
    fn what_is_no_address_says_which_part_is_wrong() {
        for (text, error) in [
            ("broker.lan:1883", EndpointError::NoScheme),
            ("mqtt://user:pass@broker.lan", EndpointError::Credentials),
            ("mqtt://", EndpointError::NoHost),
            ("mqtt://:1883", EndpointError::NoHost),
            ("mqtt://a b", EndpointError::Host),
            ("mqtt://fe80::1", EndpointError::Port),
            ("mqtt://[fe80", EndpointError::Host),
            ("mqtt://[x]", EndpointError::Host),
            ("mqtt://[::1]x", EndpointError::Host),
            ("mqtt://broker:0", EndpointError::Port),
            ("mqtt://broker:70000", EndpointError::Port),
            ("mqtt://broker:", EndpointError::Port),
        ] {
            assert_eq!(Endpoint::parse(text), Err(error), "{text}");
        }
    }
}
