/*
** Fuzzes the transport for TLS, as a server and as a client, over a connection in
** memory. The other side is OpenSSL itself, or nothing but bytes of the input. The
** input decides who does what next, and what happens to the bytes on their way.
** Whatever happens, each side gets a beginning of what the other one sent, and a
** clean end only if the other one ended; if nothing happens, it gets everything.
*/
#include "input.h"

#include "stream/transport.h"

#include <lauxlib.h>
#include <lualib.h>
#include <openssl/err.h>
#include <openssl/rand.h>
#include <openssl/ssl.h>
#include <string.h>
#include <unistd.h>

enum { PIPE_SIZE = 1 << 18, DATA_MOST = 1 << 16 };

/* Bytes on their way in one direction. */
typedef struct Pipe {
    char data[PIPE_SIZE];
    size_t start, end;
    bool touched; /* not what was sent */
    bool ended;
} Pipe;

/* Bytes of data that were sent and received in one direction. */
typedef struct Count {
    size_t sent, received;
    bool ended; /* after a close_notify */
} Count;

static lua_State *L;
static SSL_CTX *peer_contexts[2]; /* a client's and a server's */
static char pattern[2 * DATA_MOST];

static Pipe incoming, outgoing; /* as the session sees it */
static Count in, out;
static size_t piece; /* the most bytes that a read returns */
static bool blocked; /* no byte can be written */
static SSL *peer;
static bool peer_failed, peer_has_ended;
static size_t annoyances; /* messages of the peer without data, after the handshake */

static TransportHead *session; /* with its transport */
static bool is_done;           /* the handshake */
static ptrdiff_t failed;       /* the status of the session's failure, or 0 */
static size_t repeated;        /* bytes of the write that has to be repeated */
static bool is_ending;         /* its end has begun: no write may follow */

/* --- the connection --- */

static void pipe_reset(Pipe *pipe) {
    pipe->start = pipe->end = 0;
    pipe->touched = pipe->ended = false;
}

static size_t pipe_length(const Pipe *pipe) {
    return pipe->end - pipe->start;
}

static bool pipe_add(Pipe *pipe, const void *data, size_t size) {
    if (pipe->end + size > PIPE_SIZE) return false;
    if (size > 0) memcpy(pipe->data + pipe->end, data, size);
    pipe->end += size;
    return true;
}

static ptrdiff_t memory_read(void *state, int fd, char *data, size_t size) {
    (void)state, (void)fd;
    size_t length = pipe_length(&incoming);
    if (length == 0) return incoming.ended ? 0 : TRANSPORT_WANTS_READ;
    if (length > piece) length = piece;
    if (length > size) length = size;
    memcpy(data, incoming.data + incoming.start, length);
    incoming.start += length;
    return (ptrdiff_t)length;
}

static ptrdiff_t memory_write(void *state, int fd, const uv_buf_t *parts, unsigned count) {
    (void)state, (void)fd, (void)count;
    size_t size = parts[0].len < 2 * piece ? parts[0].len : 2 * piece;
    if (blocked || !pipe_add(&outgoing, parts[0].base, size)) return TRANSPORT_WANTS_WRITE;
    return (ptrdiff_t)size;
}

static ptrdiff_t memory_end(void *state, int fd) {
    (void)state, (void)fd;
    outgoing.ended = true;
    return 0;
}

static void memory_make_room(void *state, int fd) {
    (void)state, (void)fd;
    blocked = false;
}

static const Transport memory = {.read = memory_read,
                                 .write = memory_write,
                                 .end = memory_end,
                                 .make_room = memory_make_room,
                                 .short_is_empty = true};

/* --- the session: each step is a call of its transport --- */

/*
** OpenSSL fails with "bad length" or "bad write retry" if several requests for new
** keys arrive while a record of its own has only partly been written.
*/
static bool is_annoyed(void) {
    return annoyances > 64 || (annoyances > 1 && (repeated > 0 || is_ending));
}

/* Whether a failure needs no other explanation. */
static bool is_disturbed(void) {
    return incoming.touched || outgoing.touched || incoming.ended || peer_failed || is_annoyed();
}

/* A call has returned this instead of a count: it wants to wait, or the session has failed. */
static void session_check(ptrdiff_t answer) {
    if (answer == TRANSPORT_WANTS_READ) fuzz_require(pipe_length(&incoming) == 0);
    if (transport_wants(answer) || answer == TRANSPORT_AGAIN) return;
    failed = answer;
    if (is_disturbed()) return;
    const char *reason = session->transport->reason(session, (int)answer);
    fprintf(stderr, "the session failed: %s\n", reason != NULL ? reason : uv_strerror((int)answer));
    fuzz_require(is_disturbed());
}

static void session_shake_hands(void) {
    ptrdiff_t answer = session->transport->handshake(session, -1);
    if (answer == TRANSPORT_ASKS) {
        lua_getfield(L, -1, "serve"); /* its own context */
        lua_pushvalue(L, -2);
        fuzz_require(lua_pcall(L, 1, 0, 0) == LUA_OK);
    } else if (answer == 0) {
        is_done = true;
    } else {
        session_check(answer);
    }
}

/* Returns whether there may be more to read. */
static bool session_read(size_t size) {
    char data[DATA_MOST];
    if (!is_done || in.ended || failed != 0) return false;
    ptrdiff_t count = session->transport->read(session, -1, data, 1 + size % DATA_MOST);
    if (count > 0) {
        fuzz_require(in.received + (size_t)count <= in.sent);
        fuzz_require(memcmp(data, pattern + in.received, (size_t)count) == 0);
        in.received += (size_t)count;
    } else if (count == 0) {
        fuzz_require(peer_has_ended && in.received == in.sent);
        in.ended = true;
    } else {
        session_check(count);
        if (failed != 0 && incoming.ended) {
            in.ended = true; /* without close_notify */
            failed = 0;
        }
    }
    return count > 0 || count == TRANSPORT_AGAIN;
}

static void session_write(size_t size) {
    if (repeated > 0) size = repeated;
    if (!is_done || is_ending || size == 0 || out.sent + size > DATA_MOST) return;
    uv_buf_t parts[2] = {{pattern + out.sent, size / 3},
                         {pattern + out.sent + size / 3, size - size / 3}};
    unsigned skipped = parts[0].len == 0;
    ptrdiff_t count = session->transport->write(session, -1, parts + skipped, 2 - skipped);
    if (count >= 0) {
        fuzz_require(count > 0 && (size_t)count <= size);
        out.sent += (size_t)count;
        repeated = 0;
    } else {
        repeated = size;
        session_check(count);
    }
}

/* A write that has to be repeated comes first. */
static void session_end(void) {
    if (!is_done || out.ended) return;
    if (repeated > 0) session_write(repeated);
    if (repeated > 0 || failed != 0) return;
    is_ending = true;
    ptrdiff_t answer = session->transport->end(session, -1);
    if (answer == 0)
        out.ended = true;
    else
        session_check(answer);
}

/* After a failure each call fails; after an end without close_notify the session can still send. */
static void session_step(uint8_t operation, size_t size) {
    if (failed != 0) {
        fuzz_require(session->transport->handshake(session, -1) < 0 || incoming.ended);
        return;
    }
    if (!is_done) session_shake_hands();
    if (failed != 0) return;
    if (operation % 3 == 0) session_read(size);
    if (operation % 3 == 1) session_write(size);
    if (operation % 3 == 2) session_end();
}

/* --- the peer --- */

static void peer_get(void) {
    BIO_write(SSL_get_rbio(peer), outgoing.data + outgoing.start, (int)pipe_length(&outgoing));
    outgoing.start = outgoing.end = 0;
}

static void peer_put(void) {
    char *data;
    long size = BIO_get_mem_data(SSL_get_wbio(peer), &data);
    if (pipe_length(&incoming) == 0) incoming.start = incoming.end = 0;
    if (!pipe_add(&incoming, data, (size_t)size)) incoming.touched = true;
    BIO_reset(SSL_get_wbio(peer));
}

static void peer_check(int result) {
    int error = SSL_get_error(peer, result);
    if (result > 0 || error == SSL_ERROR_WANT_READ || error == SSL_ERROR_ZERO_RETURN) return;
    if (!is_disturbed() && failed == 0) ERR_print_errors_fp(stderr);
    fuzz_require(is_disturbed() || failed != 0);
    peer_failed = true;
}

static void peer_read(void) {
    char data[4096];
    int count;
    while ((count = SSL_read(peer, data, sizeof data)) > 0) {
        fuzz_require(out.received + (size_t)count <= out.sent + repeated);
        fuzz_require(memcmp(data, pattern + out.received, (size_t)count) == 0);
        out.received += (size_t)count;
    }
    peer_check(count);
    if (SSL_get_shutdown(peer) & SSL_RECEIVED_SHUTDOWN && !peer_failed)
        fuzz_require(is_ending && out.received == out.sent);
}

static void peer_write(size_t size) {
    if (peer_has_ended || size == 0 || in.sent + size > DATA_MOST || !SSL_is_init_finished(peer))
        return;
    int count = SSL_write(peer, pattern + in.sent, (int)size);
    peer_check(count);
    if (count > 0) in.sent += (size_t)count;
}

/* Messages that follow a handshake, many of them: they carry no data. */
static void peer_annoy(uint8_t which, size_t count) {
    if (peer_has_ended || !SSL_is_init_finished(peer)) return;
    for (count = 1 + count % 64; count > 0; count--) {
        annoyances++;
        if (which % 4 == 0) SSL_key_update(peer, SSL_KEY_UPDATE_REQUESTED);
        if (which % 4 == 1) SSL_key_update(peer, SSL_KEY_UPDATE_NOT_REQUESTED);
        if (which % 4 == 2 && SSL_is_server(peer)) SSL_new_session_ticket(peer);
        if (which % 4 == 3 && SSL_version(peer) == TLS1_2_VERSION) {
            peer_failed = true; /* the session may refuse it */
            SSL_renegotiate(peer);
        }
        SSL_do_handshake(peer);
    }
}

static void peer_step(uint8_t operation, size_t size) {
    ERR_clear_error();
    peer_get();
    if (!SSL_is_init_finished(peer)) peer_check(SSL_do_handshake(peer));
    ERR_clear_error();
    if (operation % 4 == 0) peer_read();
    if (operation % 4 == 1) peer_write(size);
    if (operation % 4 == 2) peer_annoy((uint8_t)(operation / 4), size);
    if (operation % 4 == 3 && !peer_has_ended && SSL_is_init_finished(peer)) {
        peer_has_ended = true;
        SSL_shutdown(peer);
    }
    peer_put();
}

/* --- what happens on the way --- */

static void tamper(Pipe *pipe, Input *input, uint8_t how) {
    size_t length = pipe_length(pipe), place = input_size(input);
    pipe->touched = true;
    if (how % 4 == 0 && length > 0) {
        pipe->data[pipe->start + place % length] ^= (char)(1 << input_byte(input) % 8);
    } else if (how % 4 == 1) {
        pipe->end -= place < length ? place : length;
    } else if (how % 4 == 2 && length > 0) {
        pipe_add(pipe, pipe->data + pipe->start, place % length); /* again */
    } else {
        Input part = input_part(input, place);
        pipe_add(pipe, part.data, part.size);
    }
}

/* One step of any side. */
static void step(Input *input) {
    uint8_t operation = input_byte(input), which = operation / 8;
    switch (operation % 8) {
    case 0:
    case 1:
        session_step(which, input_size(input));
        break;
    case 2:
    case 3:
    case 4:
        peer_step(which, input_size(input));
        break;
    case 5:
        tamper(which % 2 == 0 ? &incoming : &outgoing, input, which / 2);
        break;
    case 6:
        piece = 1 + input_size(input);
        break;
    default:
        blocked = which % 2 == 1;
        if (which == 4) incoming.ended = true;
    }
}

/* One turn of both sides with nothing in their way. */
static void settle_once(void) {
    session_step(is_ending ? 2 : 1, 0);
    while (session_read(DATA_MOST - 1))
        continue;
    peer_step(0, 0);
}

/* Both go on until nothing more happens: everything that was sent arrives. */
static void settle(void) {
    blocked = false;
    piece = DATA_MOST;
    for (int turns = 0; turns < 64; turns++) {
        settle_once();
        if (pipe_length(&incoming) == 0 && pipe_length(&outgoing) == 0 && turns > 1) break;
    }
    if (is_disturbed()) return;
    fuzz_require(failed == 0 && is_done);
    fuzz_require(in.received == in.sent);
    fuzz_require(out.received == out.sent && repeated == 0);
}

/* The session gets the input, in pieces, and nothing else. */
static void feed(Input *input) {
    incoming.touched = true;
    while (input->size > 0 && failed == 0) {
        Input part = input_part(input, 1 + input_size(input));
        pipe_add(&incoming, part.data, part.size);
        session_shake_hands();
        fuzz_require(!is_done);
    }
}

/* --- a run --- */

static uint64_t random_state;

static int random_bytes(unsigned char *data, int size) {
    for (int i = 0; i < size; i++) {
        random_state = random_state * 6364136223846793005u + 1442695040888963407u;
        data[i] = (unsigned char)(random_state >> 56);
    }
    return 1;
}

static int random_status(void) {
    return 1;
}

/* The same input gives the same run. */
static void make_random_repeatable(void) {
    static const RAND_METHOD method = {.bytes = random_bytes,
                                       .pseudorand = random_bytes,
                                       .status = random_status};
#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wdeprecated-declarations"
    RAND_set_rand_method(&method);
#pragma GCC diagnostic pop
}

/* Writes a key and a certificate for it into the file. */
static void write_certificate(const char *path) {
    FILE *file = fopen(path, "w");
    EVP_PKEY *key = EVP_EC_gen("P-256");
    X509 *certificate = X509_new();
    X509_gmtime_adj(X509_getm_notBefore(certificate), -3600);
    X509_gmtime_adj(X509_getm_notAfter(certificate), 1000L * 24 * 3600);
    X509_set_version(certificate, X509_VERSION_3);
    X509_set_pubkey(certificate, key);
    fuzz_require(X509_sign(certificate, key, EVP_sha256()) > 0 && file != NULL);
    PEM_write_PrivateKey(file, key, NULL, NULL, 0, NULL, NULL);
    PEM_write_X509(file, certificate);
    fclose(file);
    X509_free(certificate);
    EVP_PKEY_free(key);
}

static const char program[] =
    "local openssl, file = ...\n"
    "local contexts = {}\n"
    "for _, version in ipairs { '1.2', '1.3' } do\n"
    "  contexts['server' .. version] = assert(openssl.context { server = true, cert = file, "
    "max_version = version })\n"
    "  contexts['asks' .. version] = assert(openssl.context { server = true, cert = file, "
    "max_version = version,\n"
    "    asks = true, protocols = '\\2h2' })\n"
    "  contexts['client' .. version] = assert(openssl.context { max_version = version })\n"
    "end\n"
    "return function(kind)\n"
    "  return openssl.session(contexts[kind], { name = 'localhost', identity = ('i'):rep(32), "
    "protocols = '\\2h2' })\n"
    "end\n";

static void start_lua(const char *file) {
    int luaopen_arsenal_openssl(lua_State *);
    L = luaL_newstate();
    luaL_openlibs(L);
    fuzz_require(luaL_loadstring(L, program) == LUA_OK);
    luaL_requiref(L, "arsenal.openssl", luaopen_arsenal_openssl, 0);
    lua_pushstring(L, file);
    fuzz_require(lua_pcall(L, 2, 1, 0) == LUA_OK);
}

static void start(void) {
    char file[] = "/tmp/arsenal-fuzz-XXXXXX";
    close(mkstemp(file));
    make_random_repeatable();
    write_certificate(file);
    for (size_t i = 0; i < sizeof pattern; i++)
        pattern[i] = (char)(i ^ i >> 8);
    for (int server = 0; server < 2; server++) {
        SSL_CTX *context = peer_contexts[server] = SSL_CTX_new(TLS_method());
        SSL_CTX_set_mode(context, SSL_MODE_ENABLE_PARTIAL_WRITE | SSL_MODE_AUTO_RETRY);
        if (!server) continue;
        fuzz_require(SSL_CTX_use_certificate_chain_file(context, file) == 1);
        fuzz_require(SSL_CTX_use_PrivateKey_file(context, file, SSL_FILETYPE_PEM) == 1);
    }
    start_lua(file);
    unlink(file);
}

/* [-0, +1] */
static void make_session(uint8_t shape) {
    static const char *const kinds[] = {"server1.2", "server1.3", "asks1.2",
                                        "asks1.3",   "client1.2", "client1.3"};
    lua_pushvalue(L, 1);
    lua_pushstring(L, kinds[shape % 6]);
    fuzz_require(lua_pcall(L, 1, 1, 0) == LUA_OK);
    session = lua_touserdata(L, -1);
    session->plain = &memory;
    peer = SSL_new(peer_contexts[shape % 6 >= 4]);
    SSL_set_bio(peer, BIO_new(BIO_s_mem()), BIO_new(BIO_s_mem()));
    BIO_set_mem_eof_return(SSL_get_rbio(peer), -1);
    if (shape % 6 >= 4)
        SSL_set_accept_state(peer);
    else
        SSL_set_connect_state(peer);
}

static void reset(void) {
    pipe_reset(&incoming);
    pipe_reset(&outgoing);
    in = out = (Count){0};
    piece = DATA_MOST;
    blocked = peer_failed = peer_has_ended = is_done = is_ending = false;
    failed = 0;
    repeated = annoyances = 0;
    random_state = 1;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    Input input = {data, size};
    if (L == NULL) start();
    reset();
    uint8_t shape = input_byte(&input);
    make_session(shape);
    if (shape / 6 % 4 == 0) {
        feed(&input);
    } else {
        if (shape / 6 % 4 > 1) settle(); /* starts with the handshake done */
        while (input.size > 0)
            step(&input);
        settle();
    }
    session->transport->close(session, -1, shape < 128);
    SSL_free(peer);
    ERR_clear_error();
    lua_settop(L, 1);
    return 0;
}
