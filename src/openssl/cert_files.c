/*
** Implements cert_files.h.
*/
#include "base/platform.h"

#include "openssl/cert_files.h"

#include "openssl/error_text.h"
#include "openssl/file_facts.h"

#include <lauxlib.h>
#include <openssl/err.h>
#include <openssl/pem.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <uv.h>

static int cert_files_fail(lua_State *L, const char *option, const char *path, const char *what) {
    ERR_clear_error();
    lua_pushfstring(L, "%s %s: %s", option, path, what);
    return CERT_FILES_WRONG;
}

static int cert_files_fail_in_openssl(lua_State *L, const char *option, const char *path) {
    char words[ERROR_TEXT];
    error_text_of_failure(words);
    return cert_files_fail(L, option, path, words);
}

static int cert_files_fail_in_system(lua_State *L, const char *option, const char *path,
                                     int status) {
    lua_pushfstring(L, "%s %s", option, path);
    return status;
}

/* Checks that the file can be read, because OpenSSL's loaders report it less clearly. */
static int cert_files_probe(lua_State *L, const char *option, const char *path, bool directory) {
    FileFacts facts;
    int status = file_facts_try(path);
    if (status == 0) status = file_facts(path, &facts);
    if (status == 0 && facts.is_directory != directory) status = directory ? UV_ENOTDIR : UV_EISDIR;
    return status == 0 ? 0 : cert_files_fail_in_system(L, option, path, status);
}

int cert_files_load_certificate(lua_State *L, SSL_CTX *context, const char *path) {
    int status = cert_files_probe(L, "cert", path, false);
    if (status != 0 || SSL_CTX_use_certificate_chain_file(context, path)) return status;
    return cert_files_fail_in_openssl(L, "cert", path);
}

static bool cert_files_is_password_error(unsigned long error) {
    int reason = ERR_GET_REASON(error);
    return ERR_GET_LIB(error) == ERR_LIB_PEM &&
           (reason == PEM_R_BAD_PASSWORD_READ || reason == PEM_R_PROBLEMS_GETTING_PASSWORD);
}

/* OpenSSL's own words say only that what it has found is not supported. */
static int cert_files_fail_without_key(lua_State *L, const char *path, const char *cert) {
    if (cert_files_is_password_error(ERR_peek_error()) ||
        cert_files_is_password_error(ERR_peek_last_error()))
        return cert_files_fail(L, "key", path, "it is encrypted; store it without a password");
    return cert_files_fail(L, "key", path,
                           strcmp(path, cert) == 0
                               ? "no private key in the file: give the key's file as option 'key'"
                               : "no private key in the file (PEM expected)");
}

/* For a file that could be opened a moment ago, but not by OpenSSL. */
static int cert_files_fail_to_open(lua_State *L, const char *option, const char *path) {
    int status = file_facts_try(path);
    ERR_clear_error();
    return cert_files_fail_in_system(L, option, path, status != 0 ? status : UV_EIO);
}

/* OpenSSL opens the file: on Windows, paths are UTF-8 for it, and a FILE of another library of C would end the program. */
int cert_files_load_key(lua_State *L, SSL_CTX *context, const char *path, const char *cert) {
    int status = cert_files_probe(L, "key", path, false);
    if (status != 0) return status;
    BIO *file = BIO_new_file(path, "r");
    if (file == NULL) return cert_files_fail_to_open(L, "key", path);
    pem_password_cb *no_password = SSL_CTX_get_default_passwd_cb(context);
    EVP_PKEY *key = PEM_read_bio_PrivateKey(file, NULL, no_password, NULL);
    BIO_free(file);
    if (key == NULL) return cert_files_fail_without_key(L, path, cert);
    int fits = SSL_CTX_use_PrivateKey(context, key) && SSL_CTX_check_private_key(context);
    EVP_PKEY_free(key);
    if (fits) return 0;
    lua_pushfstring(L, "it does not belong to the certificate in %s", cert);
    return cert_files_fail(L, "key", path, lua_tostring(L, -1));
}

int cert_files_load_authorities(lua_State *L, SSL_CTX *context, const char *path, bool send_names) {
    int status = cert_files_probe(L, "ca_file", path, false);
    if (status != 0) return status;
    if (!SSL_CTX_load_verify_file(context, path))
        return cert_files_fail_in_openssl(L, "ca_file", path);
    /* trusts also a certificate that is not a root: it is in the file for this */
    X509_STORE_set_flags(SSL_CTX_get_cert_store(context), X509_V_FLAG_PARTIAL_CHAIN);
    if (send_names) {
        STACK_OF(X509_NAME) *names = SSL_load_client_CA_file(path);
        if (names == NULL) return cert_files_fail_in_openssl(L, "ca_file", path);
        SSL_CTX_set_client_CA_list(context, names);
    }
    return 0;
}

int cert_files_load_directory(lua_State *L, SSL_CTX *context, const char *path) {
    int status = cert_files_probe(L, "ca_path", path, true);
    if (status != 0 || SSL_CTX_load_verify_dir(context, path)) return status;
    return cert_files_fail_in_openssl(L, "ca_path", path);
}

static void cert_files_add_identity(luaL_Buffer *buffer, const char *path) {
    char text[128] = "?";
    FileFacts facts;
    if (path != NULL && file_facts(path, &facts) == 0)
        snprintf(text, sizeof text, "%lld:%lld:%lld", (long long)facts.changed,
                 (long long)facts.size, (long long)facts.number);
    luaL_addstring(buffer, text);
    luaL_addchar(buffer, '\n');
}

static void cert_files_add_system_identity(luaL_Buffer *buffer) {
    const char *file = getenv(X509_get_default_cert_file_env());
    const char *directory = getenv(X509_get_default_cert_dir_env());
    cert_files_add_identity(buffer, file != NULL ? file : X509_get_default_cert_file());
    luaL_addstring(buffer, file != NULL ? file : "");
    luaL_addstring(buffer, directory != NULL ? directory : "");
}

int cert_files_identity(lua_State *L) {
    luaL_Buffer buffer;
    int count = lua_gettop(L);
    luaL_buffinit(L, &buffer);
    for (int i = 1; i <= count; i++)
        cert_files_add_identity(&buffer, lua_tostring(L, i));
    if (count == 0) cert_files_add_system_identity(&buffer);
    luaL_pushresult(&buffer);
    return 1;
}
