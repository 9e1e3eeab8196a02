/*
** Implements wire.h.
*/
#include "openssl/wire.h"

/* Lets OpenSSL return, as if the socket were empty. */
static int wire_put_off(BIO *bio, Wire *wire) {
    wire->short_read = false;
    BIO_clear_retry_flags(bio);
    BIO_set_retry_read(bio);
    return -1;
}

static int wire_read(BIO *bio, char *data, int size) {
    Wire *wire = BIO_get_data(bio);
    if (record_budget_is_spent(&wire->budget)) return wire_put_off(bio, wire);
    ptrdiff_t count = wire->plain->read(NULL, wire->fd, data, (size_t)size);
    bool blocks = count == TRANSPORT_WANTS_READ;
    BIO_clear_retry_flags(bio);
    wire->short_read = count < size;
    wire->status = count < 0 && !blocks ? (int)count : 0;
    if (count == 0) wire->ended = true;
    if (blocks) BIO_set_retry_read(bio);
    return count < 0 ? -1 : (int)count;
}

static int wire_write(BIO *bio, const char *data, int size) {
    Wire *wire = BIO_get_data(bio);
    uv_buf_t part = {.base = (char *)data, .len = (size_t)size};
    ptrdiff_t count = wire->plain->write(NULL, wire->fd, &part, 1);
    bool blocks = count == TRANSPORT_WANTS_WRITE;
    BIO_clear_retry_flags(bio);
    wire->status = count < 0 && !blocks ? (int)count : 0;
    if (blocks) BIO_set_retry_write(bio);
    return count < 0 ? -1 : (int)count;
}

static long wire_control(BIO *bio, int command, long number, void *pointer) {
    const Wire *wire = BIO_get_data(bio);
    (void)number, (void)pointer;
    if (command == BIO_CTRL_EOF) return wire->ended;
    return command == BIO_CTRL_FLUSH;
}

void wire_end(const Wire *wire) {
    wire->plain->end(NULL, wire->fd);
}

void wire_make_room(const Wire *wire) {
    wire->plain->make_room(NULL, wire->fd);
}

/* The first session makes the method, once for the whole process. */
static BIO_METHOD *wire_method;
static CRYPTO_ONCE wire_method_once = CRYPTO_ONCE_STATIC_INIT;

static void wire_make_method(void) {
    BIO_METHOD *method =
        BIO_meth_new(BIO_get_new_index() | BIO_TYPE_SOURCE_SINK | BIO_TYPE_DESCRIPTOR,
                     "arsenal's descriptor");
    if (method == NULL) return;
    BIO_meth_set_read(method, wire_read);
    BIO_meth_set_write(method, wire_write);
    BIO_meth_set_ctrl(method, wire_control);
    wire_method = method;
}

BIO *wire_new(Wire *wire) {
    if (!CRYPTO_THREAD_run_once(&wire_method_once, wire_make_method) || wire_method == NULL)
        return NULL;
    BIO *bio = BIO_new(wire_method);
    if (bio == NULL) return NULL;
    BIO_set_data(bio, wire);
    BIO_set_init(bio, 1);
    return bio;
}

void wire_move(BIO *bio, Wire *to) {
    BIO_set_data(bio, to);
}
