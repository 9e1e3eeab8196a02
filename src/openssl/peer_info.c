/*
** Implements peer_info.h. Each set function sets a field of the table on top.
*/
#include "openssl/peer_info.h"

#include "openssl/cert_names.h"

#include <lauxlib.h>
#include <openssl/err.h>
#include <openssl/pem.h>

/* [-0, +1] pushes what is in the memory BIO, and frees the BIO */
static void peer_info_push_written(lua_State *L, BIO *written) {
    char *data = NULL;
    long size = written != NULL ? BIO_get_mem_data(written, &data) : 0;
    lua_pushlstring(L, data != NULL ? data : "", (size_t)size);
    BIO_free(written);
}

static void peer_info_set_name(lua_State *L, const char *field, X509_NAME *name) {
    BIO *text = BIO_new(BIO_s_mem());
    if (text != NULL) X509_NAME_print_ex(text, name, 0, XN_FLAG_RFC2253 & ~ASN1_STRFLGS_ESC_MSB);
    peer_info_push_written(L, text);
    lua_setfield(L, -2, field);
}

static bool peer_info_add_name(void *L, const char *name, size_t length) {
    lua_pushlstring(L, name, length);
    lua_rawseti(L, -2, (lua_Integer)lua_rawlen(L, -2) + 1);
    return true;
}

/* Seconds since the epoch, as those of os.time. */
static void peer_info_set_time(lua_State *L, const char *field, const ASN1_TIME *time) {
    ASN1_TIME *epoch = ASN1_TIME_set(NULL, 0);
    int days = 0, seconds = 0;
    if (epoch != NULL) ASN1_TIME_diff(&days, &seconds, epoch, time);
    ASN1_TIME_free(epoch);
    lua_pushinteger(L, (lua_Integer)days * 86400 + seconds);
    lua_setfield(L, -2, field);
}

static void peer_info_set_fingerprint(lua_State *L, const X509 *certificate) {
    unsigned char digest[EVP_MAX_MD_SIZE];
    char text[2 * EVP_MAX_MD_SIZE + 1] = "";
    unsigned size = 0;
    X509_digest(certificate, EVP_sha256(), digest, &size);
    for (unsigned i = 0; i < size; i++)
        BIO_snprintf(text + 2 * i, 3, "%02x", digest[i]);
    lua_pushstring(L, text);
    lua_setfield(L, -2, "fingerprint");
}

static void peer_info_set_pem(lua_State *L, X509 *certificate) {
    BIO *text = BIO_new(BIO_s_mem());
    if (text != NULL) PEM_write_bio_X509(text, certificate);
    peer_info_push_written(L, text);
    lua_setfield(L, -2, "pem");
}

static void peer_info_set_certificate(lua_State *L, X509 *certificate) {
    lua_createtable(L, 0, 7);
    peer_info_set_name(L, "subject", X509_get_subject_name(certificate));
    peer_info_set_name(L, "issuer", X509_get_issuer_name(certificate));
    lua_newtable(L);
    cert_names_visit(certificate, peer_info_add_name, L);
    lua_setfield(L, -2, "names");
    peer_info_set_time(L, "not_before", X509_get0_notBefore(certificate));
    peer_info_set_time(L, "not_after", X509_get0_notAfter(certificate));
    peer_info_set_fingerprint(L, certificate);
    peer_info_set_pem(L, certificate);
    lua_setfield(L, -2, "certificate");
}

static void peer_info_set_protocol(lua_State *L, const SSL *ssl) {
    const unsigned char *name;
    unsigned length;
    SSL_get0_alpn_selected(ssl, &name, &length);
    if (length == 0) return;
    lua_pushlstring(L, (const char *)name, length);
    lua_setfield(L, -2, "alpn");
}

/* What resumes the session. With TLS 1.3 the field is nil until the server has sent something. */
static void peer_info_set_session(lua_State *L, SSL *ssl) {
    SSL_SESSION *session = SSL_get0_session(ssl);
    unsigned char *data = NULL;
    if (SSL_is_server(ssl) || session == NULL || !SSL_SESSION_is_resumable(session)) return;
    int size = i2d_SSL_SESSION(session, &data);
    if (size <= 0) return;
    lua_pushlstring(L, (const char *)data, (size_t)size);
    OPENSSL_clear_free(data, (size_t)size);
    lua_setfield(L, -2, "session");
}

void peer_info_push(lua_State *L, SSL *ssl) {
    ERR_clear_error();
    lua_createtable(L, 0, 8);
    lua_pushstring(L, SSL_version(ssl) == TLS1_3_VERSION ? "1.3" : "1.2");
    lua_setfield(L, -2, "version");
    lua_pushstring(L, SSL_get_cipher_name(ssl));
    lua_setfield(L, -2, "cipher");
    lua_pushstring(L, SSL_get_servername(ssl, TLSEXT_NAMETYPE_host_name));
    lua_setfield(L, -2, "server_name");
    lua_pushboolean(L, SSL_session_reused(ssl));
    lua_setfield(L, -2, "resumed");
    peer_info_set_protocol(L, ssl);
    peer_info_set_session(L, ssl);
    X509 *certificate = SSL_get0_peer_certificate(ssl);
    if (certificate != NULL) peer_info_set_certificate(L, certificate);
    ERR_clear_error();
}
