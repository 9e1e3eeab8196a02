/*
** Owns reading keys and certificates, and telling what is wrong with them. The
** reads block: they are small, and happen when a program sets itself up.
*/
#include "openssl/cert_files.h"

#include "openssl/error_text.h"

#include <errno.h>
#include <lauxlib.h>
#include <openssl/err.h>
#include <openssl/pem.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>

#ifdef __APPLE__
#define st_mtim st_mtimespec
#endif

static int fail(lua_State *L, const char *option, const char *path, const char *what) {
    ERR_clear_error();
    lua_pushfstring(L, "%s %s: %s", option, path, what);
    return CERT_FILES_WRONG;
}

static int fail_by_openssl(lua_State *L, const char *option, const char *path) {
    char words[ERROR_TEXT];
    error_text_of_failure(words);
    return fail(L, option, path, words);
}

static int fail_by_system(lua_State *L, const char *option, const char *path, int error) {
    lua_pushfstring(L, "%s %s", option, path);
    return -error;
}

/* Whether the file can be read, which OpenSSL's loaders tell less clearly. */
static int probe(lua_State *L, const char *option, const char *path, int directory) {
    struct stat found;
    FILE *file = fopen(path, "r");
    if (file == NULL) return fail_by_system(L, option, path, errno);
    int status = fstat(fileno(file), &found) == 0 ? 0 : errno;
    fclose(file);
    if (status != 0) return fail_by_system(L, option, path, status);
    if (S_ISDIR(found.st_mode) && !directory) return fail_by_system(L, option, path, EISDIR);
    if (!S_ISDIR(found.st_mode) && directory) return fail_by_system(L, option, path, ENOTDIR);
    return 0;
}

int cert_files_load_certificate(lua_State *L, SSL_CTX *context, const char *path) {
    int status = probe(L, "cert", path, 0);
    if (status != 0 || SSL_CTX_use_certificate_chain_file(context, path)) return status;
    return fail_by_openssl(L, "cert", path);
}

static int is_about_a_password(unsigned long error) {
    int reason = ERR_GET_REASON(error);
    return ERR_GET_LIB(error) == ERR_LIB_PEM &&
           (reason == PEM_R_BAD_PASSWORD_READ || reason == PEM_R_PROBLEMS_GETTING_PASSWORD);
}

int cert_files_load_key(lua_State *L, SSL_CTX *context, const char *path, const char *cert) {
    int status = probe(L, "key", path, 0);
    if (status != 0) return status;
    FILE *file = fopen(path, "r");
    if (file == NULL) return fail_by_system(L, "key", path, errno);
    pem_password_cb *no_password = SSL_CTX_get_default_passwd_cb(context);
    EVP_PKEY *key = PEM_read_PrivateKey(file, NULL, no_password, NULL);
    fclose(file);
    if (key == NULL) {
        if (is_about_a_password(ERR_peek_error()) || is_about_a_password(ERR_peek_last_error()))
            return fail(L, "key", path, "it is encrypted; store it without a password");
        return fail_by_openssl(L, "key", path);
    }
    int fits = SSL_CTX_use_PrivateKey(context, key) && SSL_CTX_check_private_key(context);
    EVP_PKEY_free(key);
    if (fits) return 0;
    lua_pushfstring(L, "it does not belong to the certificate in %s", cert);
    return fail(L, "key", path, lua_tostring(L, -1));
}

int cert_files_load_authorities(lua_State *L, SSL_CTX *context, const char *path, int name_them) {
    int status = probe(L, "ca_file", path, 0);
    if (status != 0) return status;
    if (!SSL_CTX_load_verify_file(context, path)) return fail_by_openssl(L, "ca_file", path);
    /* one that is not a root may be trusted, too: who pins it means it */
    X509_STORE_set_flags(SSL_CTX_get_cert_store(context), X509_V_FLAG_PARTIAL_CHAIN);
    if (name_them) {
        STACK_OF(X509_NAME) *names = SSL_load_client_CA_file(path);
        if (names == NULL) return fail_by_openssl(L, "ca_file", path);
        SSL_CTX_set_client_CA_list(context, names);
    }
    return 0;
}

int cert_files_load_directory(lua_State *L, SSL_CTX *context, const char *path) {
    int status = probe(L, "ca_path", path, 1);
    if (status != 0 || SSL_CTX_load_verify_dir(context, path)) return status;
    return fail_by_openssl(L, "ca_path", path);
}

static void add_identity(luaL_Buffer *buffer, const char *path) {
    char text[128] = "?";
    struct stat found;
    if (path != NULL && stat(path, &found) == 0)
        snprintf(text, sizeof text, "%lld.%ld:%lld:%lld", (long long)found.st_mtim.tv_sec,
                 found.st_mtim.tv_nsec, (long long)found.st_size, (long long)found.st_ino);
    luaL_addstring(buffer, text);
    luaL_addchar(buffer, '\n');
}

int files_identity(lua_State *L) {
    luaL_Buffer buffer;
    int count = lua_gettop(L);
    luaL_buffinit(L, &buffer);
    for (int i = 1; i <= count; i++)
        add_identity(&buffer, lua_tostring(L, i));
    if (count == 0) { /* the system's certificates */
        const char *path = getenv(X509_get_default_cert_file_env());
        add_identity(&buffer, path != NULL ? path : X509_get_default_cert_file());
        luaL_addstring(&buffer, path != NULL ? path : "");
        path = getenv(X509_get_default_cert_dir_env());
        luaL_addstring(&buffer, path != NULL ? path : "");
    }
    luaL_pushresult(&buffer);
    return 1;
}
