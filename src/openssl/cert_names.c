/*
** Implements cert_names.h.
*/
#include "openssl/cert_names.h"

#include <openssl/x509v3.h>
#include <string.h>

/* Writes "127.0.0.1" or eight groups of hexadecimal digits, and returns the length. */
static size_t cert_names_write_address(const ASN1_OCTET_STRING *address, char *text, size_t size) {
    const unsigned char *bytes = ASN1_STRING_get0_data(address);
    int count = ASN1_STRING_length(address), length = 0;
    if (count == 4)
        return (size_t)BIO_snprintf(text, size, "%d.%d.%d.%d", bytes[0], bytes[1], bytes[2],
                                    bytes[3]);
    for (int i = 0; i + 1 < count && count == 16; i += 2)
        length += BIO_snprintf(text + length, size - (size_t)length, i == 0 ? "%x" : ":%x",
                               bytes[i] << 8 | bytes[i + 1]);
    return (size_t)length;
}

static bool cert_names_visit_one(const GENERAL_NAME *name, CertNameVisitor visit, void *context) {
    char text[48];
    if (name->type == GEN_DNS)
        return visit(context, (const char *)ASN1_STRING_get0_data(name->d.dNSName),
                     (size_t)ASN1_STRING_length(name->d.dNSName));
    if (name->type == GEN_IPADD)
        return visit(context, text, cert_names_write_address(name->d.iPAddress, text, sizeof text));
    return true;
}

void cert_names_visit(X509 *certificate, CertNameVisitor visit, void *context) {
    GENERAL_NAMES *names = X509_get_ext_d2i(certificate, NID_subject_alt_name, NULL, NULL);
    for (int i = 0; i < sk_GENERAL_NAME_num(names); i++)
        if (!cert_names_visit_one(sk_GENERAL_NAME_value(names, i), visit, context)) break;
    GENERAL_NAMES_free(names);
}
