/*
** Implements error_text.h.
*/
#include "openssl/error_text.h"

#include "openssl/cert_names.h"

#include <openssl/err.h>
#include <openssl/x509v3.h>
#include <string.h>

/* Returns OpenSSL's words for an error, or clearer ones where there are some. */
static const char *error_text_of_reason(unsigned long error) {
    static const struct {
        int library, reason;
        const char *words;
    } clearer[] = {
        {ERR_LIB_SSL, SSL_R_UNEXPECTED_EOF_WHILE_READING, "cut off without close_notify"},
        {ERR_LIB_SSL, SSL_R_HTTP_REQUEST, "the peer speaks HTTP, not TLS"},
        {ERR_LIB_SSL, SSL_R_WRONG_VERSION_NUMBER, "the peer does not speak TLS"},
        {ERR_LIB_SSL, SSL_R_PEER_DID_NOT_RETURN_A_CERTIFICATE, "the peer sent no certificate"},
        {ERR_LIB_SSL, SSL_R_CLIENTHELLO_TLSEXT, "the name that the client asks for is refused"},
        {ERR_LIB_SSL, SSL_R_CALLBACK_FAILED, "the name that the client asks for is refused"},
        {ERR_LIB_PEM, PEM_R_NO_START_LINE, "no certificate in the file (PEM expected)"},
        {ERR_LIB_X509, X509_R_NO_CERTIFICATE_OR_CRL_FOUND, "no certificate in the file"},
        {ERR_LIB_X509, X509_R_NO_CERTIFICATE_FOUND, "no certificate in the file"},
    };
    for (size_t i = 0; i < sizeof clearer / sizeof *clearer; i++)
        if (ERR_GET_LIB(error) == clearer[i].library && ERR_GET_REASON(error) == clearer[i].reason)
            return clearer[i].words;
    return ERR_reason_error_string(error);
}

/* Returns the words for an alert. OpenSSL's own lack the alerts that came with TLS 1.3. */
static const char *error_text_of_alert(int alert) {
    switch (alert) {
    case SSL_AD_MISSING_EXTENSION:
        return "missing extension";
    case SSL_AD_CERTIFICATE_REQUIRED:
        return "certificate required";
    case SSL_AD_NO_APPLICATION_PROTOCOL:
        return "no application protocol in common";
    default:
        return SSL_alert_desc_string_long(alert);
    }
}

void error_text_of_failure(char words[ERROR_TEXT]) {
    unsigned long error = ERR_peek_error();
    int reason = ERR_GET_REASON(error);
    if (ERR_GET_LIB(error) == ERR_LIB_SSL && reason >= SSL_AD_REASON_OFFSET &&
        reason <= SSL_AD_REASON_OFFSET + 255) {
        BIO_snprintf(words, ERROR_TEXT, "the peer refuses: %s",
                     error_text_of_alert(reason - SSL_AD_REASON_OFFSET));
    } else {
        const char *known = error != 0 ? error_text_of_reason(error) : NULL;
        BIO_snprintf(words, ERROR_TEXT, "%s", known != NULL ? known : "unknown failure");
    }
    ERR_clear_error();
}

/* Appends a name to the words, with a comma between; appends "..." and ends the visit if there is no room. */
static bool error_text_add_name(void *context, const char *name, size_t length) {
    char *words = context;
    size_t used = strlen(words);
    if (used + length + sizeof ", ..." > ERROR_TEXT) {
        if (used + sizeof ", ..." <= ERROR_TEXT) strcat(words, ", ...");
        return false;
    }
    if (used > 0) used += (size_t)BIO_snprintf(words + used, ERROR_TEXT - used, ", ");
    for (size_t i = 0; i < length; i++)
        words[used + i] = name[i] > ' ' && name[i] < 127 ? name[i] : '?';
    words[used + length] = '\0';
    return true;
}

void error_text_of_names(X509 *certificate, char words[ERROR_TEXT]) {
    words[0] = '\0';
    cert_names_visit(certificate, error_text_add_name, words);
    if (words[0] == '\0') strcpy(words, "no name");
}

void error_text_of_subject(X509 *certificate, char words[ERROR_TEXT]) {
    X509_NAME_oneline(X509_get_subject_name(certificate), words, ERROR_TEXT);
}
