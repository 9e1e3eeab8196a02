/*
** A TLS peer that keeps to the protocol, and sends what costs the other side
** time and brings it no data. It makes a handshake by OpenSSL, writes a flood of
** records with the keys of that connection, and then reads until the connection
** ends. So the flood can be of any records, in any number.
**
**   hostile_tls connect PORT KIND COUNT [CERT KEY]
**   hostile_tls listen 0 KIND COUNT CERT KEY        prints "listening on PORT" first
**
** KIND is one of the names in `kinds`. COUNT is how many records are sent, and
** for *_and_data how many before each byte of data. The last line of the output
** says how the connection ended.
*/
#include <arpa/inet.h>
#include <errno.h>
#include <openssl/core_names.h>
#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/kdf.h>
#include <openssl/ssl.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

enum { KEY = 16, SECRET = 32, NONCE = 12, TAG = 16, MOST = 16384 };
enum { ALERT = 21, HANDSHAKE = 22, DATA = 23 };

/* The keys of our sending direction: AES-128-GCM with SHA-256. */
static struct {
    bool newest; /* TLS 1.3 */
    bool logged; /* the secret is known */
    unsigned char secret[SECRET], key[KEY], nonce[NONCE];
    uint64_t sequence;
} keys;

static const char *our_secret; /* its label in the key log */

static void fail(const char *what) {
    fprintf(stderr, "%s\n", what);
    ERR_print_errors_fp(stderr);
    exit(2);
}

/* --- the keys --- */

static void derive(const char *kdf_name, OSSL_PARAM *params, unsigned char *out, size_t size) {
    EVP_KDF *kdf = EVP_KDF_fetch(NULL, kdf_name, NULL);
    EVP_KDF_CTX *context = EVP_KDF_CTX_new(kdf);
    if (EVP_KDF_derive(context, out, size, params) != 1) fail("derive");
    EVP_KDF_CTX_free(context);
    EVP_KDF_free(kdf);
}

/* RFC 8446, section 7.1: HKDF-Expand-Label with an empty context. */
static void expand(const char *label, unsigned char *out, size_t size) {
    unsigned char info[64];
    int mode = EVP_KDF_HKDF_MODE_EXPAND_ONLY;
    int length = snprintf((char *)info + 3, sizeof info - 3, "tls13 %s", label);
    info[0] = 0;
    info[1] = (unsigned char)size;
    info[2] = (unsigned char)length;
    info[3 + length] = 0;
    OSSL_PARAM params[] = {
        OSSL_PARAM_construct_int(OSSL_KDF_PARAM_MODE, &mode),
        OSSL_PARAM_construct_utf8_string(OSSL_KDF_PARAM_DIGEST, (char *)"SHA256", 0),
        OSSL_PARAM_construct_octet_string(OSSL_KDF_PARAM_KEY, keys.secret, SECRET),
        OSSL_PARAM_construct_octet_string(OSSL_KDF_PARAM_INFO, info, (size_t)length + 4),
        OSSL_PARAM_construct_end(),
    };
    derive("HKDF", params, out, size);
}

static void use_secret(void) {
    expand("key", keys.key, KEY);
    expand("iv", keys.nonce, NONCE);
    keys.sequence = 0;
}

static void next_secret(void) {
    unsigned char next[SECRET];
    expand("traffic upd", next, SECRET);
    memcpy(keys.secret, next, SECRET);
    use_secret();
}

/* RFC 5246, section 6.3, for a connection of TLS 1.2 whose Finished was record 0. */
static void use_master_secret(SSL *ssl) {
    unsigned char master[48], seed[64], block[2 * KEY + 8];
    SSL_SESSION_get_master_key(SSL_get_session(ssl), master, sizeof master);
    SSL_get_server_random(ssl, seed, 32);
    SSL_get_client_random(ssl, seed + 32, 32);
    OSSL_PARAM params[] = {
        OSSL_PARAM_construct_utf8_string(OSSL_KDF_PARAM_DIGEST, (char *)"SHA256", 0),
        OSSL_PARAM_construct_octet_string(OSSL_KDF_PARAM_SECRET, master, sizeof master),
        OSSL_PARAM_construct_octet_string(OSSL_KDF_PARAM_SEED, (char *)"key expansion", 13),
        OSSL_PARAM_construct_octet_string(OSSL_KDF_PARAM_SEED, seed, sizeof seed),
        OSSL_PARAM_construct_end(),
    };
    derive("TLS1-PRF", params, block, sizeof block);
    int side = SSL_is_server(ssl);
    memcpy(keys.key, block + side * KEY, KEY);
    memcpy(keys.nonce, block + 2 * KEY + side * 4, 4);
    keys.sequence = 1;
}

static void log_key(const SSL *ssl, const char *line) {
    const char *hex = strrchr(line, ' ') + 1;
    (void)ssl;
    if (strncmp(line, our_secret, strlen(our_secret)) != 0) return;
    for (int i = 0; i < SECRET; i++)
        sscanf(hex + 2 * i, "%2hhx", &keys.secret[i]);
    keys.logged = true;
}

/* --- records --- */

static unsigned char *flood;
static size_t flood_size, flood_room;

static unsigned char *flood_reserve(size_t size) {
    if (flood_size + size > flood_room) {
        flood_room = 2 * flood_room + size;
        flood = realloc(flood, flood_room);
        if (flood == NULL) fail("memory");
    }
    return flood + flood_size;
}

/* Encrypts into `out`: the text, and the tag behind it. */
static void seal(const unsigned char *nonce, const unsigned char *about, int about_size,
                 const unsigned char *text, int size, unsigned char *out) {
    static EVP_CIPHER_CTX *context;
    static EVP_CIPHER *cipher;
    int length;
    if (context == NULL) {
        context = EVP_CIPHER_CTX_new();
        cipher = EVP_CIPHER_fetch(NULL, "AES-128-GCM", NULL);
    }
    if (!EVP_EncryptInit_ex(context, cipher, NULL, keys.key, nonce) ||
        !EVP_EncryptUpdate(context, NULL, &length, about, about_size) ||
        !EVP_EncryptUpdate(context, out, &length, text, size) ||
        !EVP_EncryptFinal_ex(context, out + size, &length) ||
        !EVP_CIPHER_CTX_ctrl(context, EVP_CTRL_GCM_GET_TAG, TAG, out + size))
        fail("seal");
}

static void put_sequence(unsigned char *at) {
    for (int i = 0; i < 8; i++)
        at[i] = (unsigned char)(keys.sequence >> (56 - 8 * i));
}

static void add_record_of_1_3(unsigned char type, const void *text, size_t size) {
    unsigned char inner[MOST + 1], nonce[NONCE], sequence[8];
    size_t length = size + 1 + TAG;
    unsigned char *out = flood_reserve(5 + length);
    memcpy(inner, text, size);
    inner[size] = type;
    put_sequence(sequence);
    memcpy(nonce, keys.nonce, NONCE);
    for (int i = 0; i < 8; i++)
        nonce[4 + i] ^= sequence[i];
    memcpy(out, (unsigned char[]){DATA, 3, 3, (unsigned char)(length >> 8), (unsigned char)length},
           5);
    seal(nonce, out, 5, inner, (int)size + 1, out + 5);
    flood_size += 5 + length;
}

static void add_record_of_1_2(unsigned char type, const void *text, size_t size) {
    unsigned char about[13], nonce[NONCE];
    size_t length = 8 + size + TAG;
    unsigned char *out = flood_reserve(5 + length);
    put_sequence(about);
    memcpy(about + 8,
           (unsigned char[]){type, 3, 3, (unsigned char)(size >> 8), (unsigned char)size}, 5);
    memcpy(nonce, keys.nonce, 4);
    memcpy(nonce + 4, about, 8);
    memcpy(out, (unsigned char[]){type, 3, 3, (unsigned char)(length >> 8), (unsigned char)length},
           5);
    memcpy(out + 5, about, 8);
    seal(nonce, about, sizeof about, text, (int)size, out + 13);
    flood_size += 5 + length;
}

static void add_record(unsigned char type, const void *text, size_t size) {
    if (keys.newest)
        add_record_of_1_3(type, text, size);
    else
        add_record_of_1_2(type, text, size);
    keys.sequence++;
}

/* --- what the flood is of --- */

static void add_key_update(void) {
    add_record(HANDSHAKE, "\30\0\0\1\0", 5);
    next_secret();
}

/* Asks for one of the other side's in return. */
static void add_key_update_request(void) {
    add_record(HANDSHAKE, "\30\0\0\1\1", 5);
    next_secret();
}

/* RFC 8446, section 4.6.1: lifetime, age_add, nonce "", ticket "t", no extensions. */
#define TICKET "\4\0\0\16\0\0\16\20\0\0\0\0\0\0\1t\0\0"

static void add_ticket(void) {
    add_record(HANDSHAKE, TICKET, 18);
}

/* As many as fit into one record. */
static void add_tickets(void) {
    static unsigned char tickets[MOST];
    size_t size = 0;
    for (; size + 18 <= MOST; size += 18)
        memcpy(tickets + size, TICKET, 18);
    add_record(HANDSHAKE, tickets, size);
}

static void add_client_hello(void) {
    unsigned char hello[45] = {1, 0, 0, 41, 3, 3};
    memcpy(hello + 38, "\0\0\2\300\57\1\0", 7);
    add_record(HANDSHAKE, hello, sizeof hello);
}

static void add_hello_request(void) {
    add_record(HANDSHAKE, "\0\0\0\0", 4);
}

static void add_empty(void) {
    add_record(DATA, "", 0);
}

static void add_warning(void) {
    add_record(ALERT, "\1\132", 2); /* user_canceled */
}

static void add_byte(void) {
    add_record(DATA, "x", 1);
}

static const struct {
    const char *name;
    void (*add)(void);
    int version;
    bool data; /* a byte of data after each COUNT of them, for a thousand times */
} kinds[] = {
    {"key_update", add_key_update, TLS1_3_VERSION, false},
    {"key_update_request", add_key_update_request, TLS1_3_VERSION, false},
    {"key_update_and_data", add_key_update, TLS1_3_VERSION, true},
    {"ticket", add_ticket, TLS1_3_VERSION, false},
    {"tickets", add_tickets, TLS1_3_VERSION, false},
    {"ticket_and_data", add_ticket, TLS1_3_VERSION, true},
    {"client_hello", add_client_hello, TLS1_2_VERSION, false},
    {"client_hello_and_data", add_client_hello, TLS1_2_VERSION, true},
    {"hello_request", add_hello_request, TLS1_2_VERSION, false},
    {"hello_request_and_data", add_hello_request, TLS1_2_VERSION, true},
    {"empty", add_empty, TLS1_3_VERSION, false},
    {"empty_of_1_2", add_empty, TLS1_2_VERSION, false},
    {"warning", add_warning, TLS1_2_VERSION, false},
    {"byte", add_byte, TLS1_3_VERSION, false},
    {"byte_of_1_2", add_byte, TLS1_2_VERSION, false},
};

static size_t find_kind(const char *name) {
    for (size_t i = 0; i < sizeof kinds / sizeof *kinds; i++)
        if (strcmp(kinds[i].name, name) == 0) return i;
    fail("no such kind");
    return 0;
}

static void make_flood(size_t kind, int count) {
    enum { TIMES = 200 };
    for (int times = kinds[kind].data ? TIMES : 1; times > 0; times--) {
        for (int i = 0; i < count; i++)
            kinds[kind].add();
        if (kinds[kind].data) add_byte();
    }
}

/* --- the connection --- */

static int open_socket(bool listens, int port) {
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_port = htons((uint16_t)port)};
    int fd = socket(AF_INET, SOCK_STREAM, 0), one = 1;
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    if (!listens) {
        if (connect(fd, (struct sockaddr *)&address, sizeof address) != 0) fail("connect");
        return fd;
    }
    setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof one);
    if (bind(fd, (struct sockaddr *)&address, sizeof address) != 0 || listen(fd, 1) != 0)
        fail("listen");
    socklen_t size = sizeof address;
    getsockname(fd, (struct sockaddr *)&address, &size);
    printf("listening on %d\n", ntohs(address.sin_port));
    fflush(stdout);
    return accept(fd, NULL, NULL);
}

static SSL_CTX *make_context(bool listens, int version, char **files) {
    SSL_CTX *context = SSL_CTX_new(TLS_method());
    SSL_CTX_set_min_proto_version(context, version);
    SSL_CTX_set_max_proto_version(context, version);
    SSL_CTX_set_ciphersuites(context, "TLS_AES_128_GCM_SHA256");
    SSL_CTX_set_cipher_list(context, "ECDHE+AES128+AESGCM");
    SSL_CTX_set_keylog_callback(context, log_key);
    SSL_CTX_set_num_tickets(context, 0);
    if (listens) SSL_CTX_set_options(context, SSL_OP_NO_TICKET);
    if (files[0] != NULL && (SSL_CTX_use_certificate_chain_file(context, files[0]) != 1 ||
                             SSL_CTX_use_PrivateKey_file(context, files[1], SSL_FILETYPE_PEM) != 1))
        fail("certificate");
    return context;
}

/* Reads what the other side sends, for it may wait until we do. */
static void send_flood(int fd) {
    char answers[4096];
    size_t sent = 0;
    while (sent < flood_size) {
        ssize_t count = send(fd, flood + sent, flood_size - sent, MSG_DONTWAIT | MSG_NOSIGNAL);
        if (count > 0)
            sent += (size_t)count;
        else
            usleep(1000);
        if (recv(fd, answers, sizeof answers, MSG_DONTWAIT) == 0) {
            puts("ended during the flood");
            return;
        }
        if (count < 0 && (errno == EPIPE || errno == ECONNRESET)) {
            puts("reset during the flood");
            return;
        }
    }
    shutdown(fd, SHUT_WR);
    while (recv(fd, answers, sizeof answers, 0) > 0) {
    }
    puts("ended after the flood");
}

int main(int count, char **words) {
    if (count < 5) fail("usage: hostile_tls connect|listen PORT KIND COUNT [CERT KEY]");
    bool listens = strcmp(words[1], "listen") == 0;
    size_t kind = find_kind(words[3]);
    signal(SIGPIPE, SIG_IGN);
    our_secret = listens ? "SERVER_TRAFFIC_SECRET_0" : "CLIENT_TRAFFIC_SECRET_0";
    keys.newest = kinds[kind].version == TLS1_3_VERSION;
    SSL *ssl = SSL_new(make_context(listens, kinds[kind].version, words + 5));
    int fd = open_socket(listens, atoi(words[2]));
    SSL_set_fd(ssl, fd);
    if ((listens ? SSL_accept(ssl) : SSL_connect(ssl)) != 1) fail("handshake");
    if (keys.newest)
        use_secret();
    else
        use_master_secret(ssl);
    make_flood(kind, atoi(words[4]));
    send_flood(fd);
    return 0;
}
