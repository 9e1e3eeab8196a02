/*
** Implements file_facts.h on Windows. The path is UTF-8, as for OpenSSL.
*/
#include "openssl/file_facts.h"

#include <uv.h>

static int file_facts_failure(void) {
    switch (GetLastError()) {
    case ERROR_FILE_NOT_FOUND:
    case ERROR_PATH_NOT_FOUND:
    case ERROR_INVALID_NAME:
    case ERROR_BAD_PATHNAME:
        return UV_ENOENT;
    case ERROR_INSUFFICIENT_BUFFER:
        return UV_ENAMETOOLONG;
    case ERROR_TOO_MANY_OPEN_FILES:
        return UV_EMFILE;
    case ERROR_ACCESS_DENIED:
    case ERROR_SHARING_VIOLATION:
        return UV_EACCES;
    default:
        return UV_EIO;
    }
}

static int64_t file_facts_join(DWORD high, DWORD low) {
    return (int64_t)((uint64_t)high << 32 | low);
}

static HANDLE file_facts_open(const char *path, DWORD access) {
    enum { LONGEST = 1024 };
    wchar_t wide[LONGEST];
    if (MultiByteToWideChar(CP_UTF8, 0, path, -1, wide, LONGEST) == 0) return INVALID_HANDLE_VALUE;
    return CreateFileW(wide, access, FILE_SHARE_READ | FILE_SHARE_WRITE | FILE_SHARE_DELETE, NULL,
                       OPEN_EXISTING, FILE_FLAG_BACKUP_SEMANTICS, NULL);
}

int file_facts(const char *path, FileFacts *facts) {
    BY_HANDLE_FILE_INFORMATION found;
    HANDLE file = file_facts_open(path, 0);
    if (file == INVALID_HANDLE_VALUE) return file_facts_failure();
    int status = GetFileInformationByHandle(file, &found) ? 0 : file_facts_failure();
    CloseHandle(file);
    if (status != 0) return status;
    *facts = (FileFacts){
        .is_directory = (found.dwFileAttributes & FILE_ATTRIBUTE_DIRECTORY) != 0,
        .changed = file_facts_join(found.ftLastWriteTime.dwHighDateTime,
                                   found.ftLastWriteTime.dwLowDateTime),
        .size = file_facts_join(found.nFileSizeHigh, found.nFileSizeLow),
        .number = file_facts_join(found.nFileIndexHigh, found.nFileIndexLow),
    };
    return 0;
}

int file_facts_try(const char *path) {
    HANDLE file = file_facts_open(path, GENERIC_READ);
    if (file == INVALID_HANDLE_VALUE) return file_facts_failure();
    CloseHandle(file);
    return 0;
}
