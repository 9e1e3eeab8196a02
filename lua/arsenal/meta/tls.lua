---@meta _
-- The option tables and results of TLS. See docs/reference/tls.md.

---@class arsenal.TLSOptions
---@field cert? string file (PEM): the certificate of this end, followed by those that issued it; a server must have one
---@field key? string file (PEM): its private key, not encrypted; default: read from the `cert` file
---@field ca_file? string file (PEM): the authorities that may have issued the peer's certificate
---@field alpn? string[] ALPN protocol names, the preferred one first; default: none
---@field min_version? "1.2"|"1.3" oldest version of TLS; default "1.2"
---@field max_version? "1.2"|"1.3" newest version of TLS; default "1.3"
---@field ciphers? string OpenSSL's names with colons between; default of TLS 1.2: ECDHE with AES-GCM or ChaCha20

---@class arsenal.TLSClientOptions: arsenal.TLSOptions
---@field server_name? string name that the certificate must have, also sent as SNI; default of `connect`: its host
---@field verify? boolean false: any server is accepted, whatever its certificate and name; default true
---@field ca_path? string folder of authorities, as `openssl rehash` makes it; replaces the system's, as `ca_file` does
---@field session? string the field `session` of an earlier connection's `tls_info`, to resume it
---@field timeout? number seconds for lookup, connection and handshake together; default: 10 for the handshake

---@class arsenal.TLSNameOptions: arsenal.TLSOptions
---@field client_cert? "require"|"request" ask for a certificate from an authority in `ca_file`; default: do not

---Returns the options for a client's server name, nil for the listener's own options, or false to refuse the client.
---@alias arsenal.ServerNameFunction async fun(name: string?): arsenal.TLSNameOptions|false|nil

---@class arsenal.TLSServerOptions: arsenal.TLSNameOptions
---@field sni? table<string, arsenal.TLSNameOptions>|arsenal.ServerNameFunction by the client's name, or a function
---@field handshake_timeout? number seconds for a handshake; default 10

---@class arsenal.TLSConnectOptions: arsenal.ConnectOptions, arsenal.TLSClientOptions

---@class arsenal.TLSListenOptions: arsenal.ListenOptions, arsenal.TLSListenerOptions

---@class arsenal.TLSListenerOptions: arsenal.TLSServerOptions
---@field max_handshakes? integer most unfinished handshakes; the oldest gives way to one more; default 512

---@class arsenal.TLSCertificate
---@field subject string whom it is for
---@field issuer string the authority
---@field names string[] the host names and addresses that it is for
---@field not_before integer start of its validity, a time as of `os.time`
---@field not_after integer end of its validity, a time as of `os.time`
---@field fingerprint string SHA-256, hexadecimal
---@field pem string the certificate as PEM

---@class arsenal.TLSInfo
---@field version "1.2"|"1.3" version of TLS
---@field cipher string OpenSSL's name
---@field alpn? string ALPN protocol that both sides agreed on
---@field server_name? string name that the client asked for, in lower case
---@field resumed boolean true if it continues an earlier session
---@field certificate? arsenal.TLSCertificate the peer's certificate
---@field session? string of a client: resumes this session later; keep it secret
