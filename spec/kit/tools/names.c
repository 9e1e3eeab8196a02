/*
** A resolver for the specs, loaded with LD_PRELOAD. It answers from
** ARSENAL_NAMES ("name=address,address;other=address"); a name with no address
** does not exist, one whose address is "hang" is never answered, "again" fails
** for the moment. At each lookup that hangs, a byte is appended to the file
** ARSENAL_HANGING, where that is set. All other names, and addresses, go to the real one. The
** other way round: an entry for an address in numbers has its name for a value.
*/
#define _GNU_SOURCE
#include <dlfcn.h>
#include <fcntl.h>
#include <netdb.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

typedef int Resolver(const char *, const char *, const struct addrinfo *, struct addrinfo **);

static Resolver *real_resolver(void) {
    return (Resolver *)dlsym(RTLD_NEXT, "getaddrinfo");
}

/* The addresses of `name`, up to the end of its entry, or NULL. */
static const char *entry(const char *name) {
    const char *names = getenv("ARSENAL_NAMES");
    size_t length = strlen(name);
    while (names != NULL && *names != '\0') {
        if (strncmp(names, name, length) == 0 && names[length] == '=') return names + length + 1;
        names = strchr(names, ';');
        if (names != NULL) names++;
    }
    return NULL;
}

/* Notes that a lookup hangs, and never returns. */
static int hang(void) {
    const char *path = getenv("ARSENAL_HANGING");
    int fd = path == NULL ? -1 : open(path, O_WRONLY | O_CREAT | O_APPEND, 0600);
    if (fd >= 0 && write(fd, ".", 1) == 1) close(fd);
    for (;;)
        pause();
}

/* Appends what the address stands for to the list; those of another family are left out. */
static void append(const char *address, const char *service, const struct addrinfo *hints,
                   struct addrinfo ***end) {
    struct addrinfo numeric = {0};
    if (hints != NULL) numeric = *hints;
    numeric.ai_flags |= AI_NUMERICHOST;
    if (real_resolver()(address, service, &numeric, *end) != 0) return;
    while (**end != NULL)
        *end = &(**end)->ai_next;
}

int getaddrinfo(const char *name, const char *service, const struct addrinfo *hints,
                struct addrinfo **result) {
    const char *found = name == NULL ? NULL : entry(name);
    if (found == NULL) return real_resolver()(name, service, hints, result);
    if (strncmp(found, "hang", 4) == 0) return hang();
    if (strncmp(found, "again", 5) == 0) return EAI_AGAIN;
    *result = NULL;
    struct addrinfo **end = result;
    while (*found != '\0' && *found != ';') {
        size_t length = strcspn(found, ",;");
        char address[64];
        if (length >= sizeof address) return EAI_FAIL;
        memcpy(address, found, length);
        address[length] = '\0';
        if (length > 0) append(address, service, hints, &end);
        found += length;
        if (*found == ',') found++;
    }
    return *result == NULL ? EAI_NONAME : 0;
}

typedef int Reverser(const struct sockaddr *, socklen_t, char *, socklen_t, char *, socklen_t, int);

int getnameinfo(const struct sockaddr *address, socklen_t size, char *name, socklen_t name_size,
                char *service, socklen_t service_size, int flags) {
    Reverser *real = (Reverser *)dlsym(RTLD_NEXT, "getnameinfo");
    char numeric[64];
    const char *found = NULL;
    if (real(address, size, numeric, sizeof numeric, NULL, 0, NI_NUMERICHOST) == 0)
        found = entry(numeric);
    if (found == NULL) return real(address, size, name, name_size, service, service_size, flags);
    if (strncmp(found, "hang", 4) == 0) return hang();
    size_t length = strcspn(found, ";");
    if (length == 0) return EAI_NONAME;
    if (length >= name_size) return EAI_OVERFLOW;
    memcpy(name, found, length);
    name[length] = '\0';
    return 0;
}
