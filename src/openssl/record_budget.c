/*
** Implements record_budget.h. The unit is about the time that a small record with
** data takes; a kilobyte of data takes about as much again.
*/
#include "openssl/record_budget.h"

enum {
    BUDGET = 1024,     /* units until others have their turn: one or two milliseconds */
    USELESS_COST = 16, /* of a record or a message that changes keys, or brings a ticket */
    DATA_COST = 1,     /* of a record with data */
    UNIT_SIZE = 1024,  /* bytes of data that cost another unit */
    MOST_USELESS = 200 /* in a row: a hundred records with a message each */
};

/* OpenSSL calls it with each record's header and with each handshake message. */
static void record_budget_count(int written, int version, int type, const void *data, size_t size,
                                SSL *ssl, void *argument) {
    RecordBudget *budget = argument;
    (void)version, (void)data, (void)size;
    if (written || (type != SSL3_RT_HEADER && type != SSL3_RT_HANDSHAKE)) return;
    budget->spent += USELESS_COST;
    budget->useless++;
    /* OpenSSL drops all records after the end of the peer's direction, and returns */
    if (record_budget_is_overrun(budget))
        SSL_set_shutdown(ssl, SSL_get_shutdown(ssl) | SSL_RECEIVED_SHUTDOWN);
}

void record_budget_watch(RecordBudget *budget, SSL *ssl) {
    SSL_set_msg_callback(ssl, record_budget_count);
    SSL_set_msg_callback_arg(ssl, budget);
}

void record_budget_take_data(RecordBudget *budget, const SSL *ssl, size_t count) {
    budget->useless = 0;
    budget->spent += (int)(count / UNIT_SIZE);
    if (SSL_pending(ssl) == 0) budget->spent -= USELESS_COST - DATA_COST; /* a record is finished */
    if (budget->spent < 0) budget->spent = 0; /* it was counted before a renewal */
}

void record_budget_take_handshake(RecordBudget *budget) {
    budget->useless = 0;
}

bool record_budget_is_spent(const RecordBudget *budget) {
    return budget->spent >= BUDGET;
}

void record_budget_renew(RecordBudget *budget) {
    budget->spent = 0;
}

bool record_budget_is_overrun(const RecordBudget *budget) {
    return budget->useless > MOST_USELESS;
}
