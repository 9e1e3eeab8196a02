/*
** Owns how OpenSSL's errors and certificates look in a message, and that its
** error queue is empty after a failure.
*/
#include "openssl/error_text.h"

#include "openssl/cert_names.h"

#include <openssl/err.h>
#include <openssl/x509v3.h>
#include <string.h>

/* Some reasons that are clearer in other words than OpenSSL's. */
static const char *reason_of(unsigned long error) {
    static const struct {
        int library, reason;
        const char *words;
    } better[] = {
        {ERR_LIB_SSL, SSL_R_UNEXPECTED_EOF_WHILE_READING, "cut off without close_notify"},
        {ERR_LIB_SSL, SSL_R_HTTP_REQUEST, "the peer speaks HTTP, not TLS"},
        {ERR_LIB_SSL, SSL_R_WRONG_VERSION_NUMBER, "the peer does not speak TLS"},
        {ERR_LIB_SSL, SSL_R_PEER_DID_NOT_RETURN_A_CERTIFICATE, "the peer sent no certificate"},
        {ERR_LIB_SSL, SSL_R_CLIENTHELLO_TLSEXT, "the name that the client asks for is refused"},
        {ERR_LIB_SSL, SSL_R_CALLBACK_FAILED, "the name that the client asks for is refused"},
        {ERR_LIB_PEM, PEM_R_NO_START_LINE, "nothing of that kind in the file (PEM expected)"},
        {ERR_LIB_X509, X509_R_NO_CERTIFICATE_OR_CRL_FOUND, "no certificate in the file"},
        {ERR_LIB_X509, X509_R_NO_CERTIFICATE_FOUND, "no certificate in the file"},
    };
    for (size_t i = 0; i < sizeof better / sizeof *better; i++)
        if (ERR_GET_LIB(error) == better[i].library && ERR_GET_REASON(error) == better[i].reason)
            return better[i].words;
    return ERR_reason_error_string(error);
}

/* OpenSSL's descriptions lack the alerts that came with TLS 1.3. */
static const char *words_of_alert(int alert) {
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
                     words_of_alert(reason - SSL_AD_REASON_OFFSET));
    } else {
        const char *known = error != 0 ? reason_of(error) : NULL;
        BIO_snprintf(words, ERROR_TEXT, "%s", known != NULL ? known : "unknown failure");
    }
    ERR_clear_error();
}

/* Takes a name into the words, with a comma before it; false when it has no more room. */
static int add_name(void *words, const char *name, size_t length) {
    size_t used = strlen(words);
    if (used + length + sizeof ", ..." > ERROR_TEXT) {
        if (used + sizeof ", ..." <= ERROR_TEXT) strcat(words, ", ...");
        return 0;
    }
    if (used > 0) used += (size_t)BIO_snprintf((char *)words + used, ERROR_TEXT - used, ", ");
    for (size_t i = 0; i < length; i++)
        ((char *)words)[used + i] = name[i] > ' ' && name[i] < 127 ? name[i] : '?';
    ((char *)words)[used + length] = '\0';
    return 1;
}

void error_text_of_names(X509 *certificate, char words[ERROR_TEXT]) {
    words[0] = '\0';
    cert_names_visit(certificate, add_name, words);
    if (words[0] == '\0') strcpy(words, "no name");
}

void error_text_of_subject(X509 *certificate, char words[ERROR_TEXT]) {
    X509_NAME_oneline(X509_get_subject_name(certificate), words, ERROR_TEXT);
}
