/*
** Record budget: bounds how long one peer's records keep OpenSSL busy. OpenSSL
** returns from a read only with data or when the socket is empty, so a peer could
** hold it with records that bring no data, or little.
*/
#ifndef ARSENAL_OPENSSL_RECORD_BUDGET_H
#define ARSENAL_OPENSSL_RECORD_BUDGET_H

#include <openssl/ssl.h>
#include <stdbool.h>

typedef struct RecordBudget {
    int spent;   /* since other tasks last had their turn */
    int useless; /* records, and messages in them, since the last data */
} RecordBudget;

/* Counts from now on what `ssl` reads. If too much of it in a row is useless, `ssl` reads no more. */
void record_budget_watch(RecordBudget *budget, SSL *ssl);

/* A read has returned `count` bytes. */
void record_budget_take_data(RecordBudget *budget, const SSL *ssl, size_t count);

/* The handshake is done: its records were of use. */
void record_budget_take_handshake(RecordBudget *budget);

/* True if other tasks should have their turn before more is read. */
bool record_budget_is_spent(const RecordBudget *budget);

/* Other tasks have their turn next. */
void record_budget_renew(RecordBudget *budget);

/* True if the peer has sent too much without data. */
bool record_budget_is_overrun(const RecordBudget *budget);

#endif
