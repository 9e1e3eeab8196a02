/*
** From a pointer to a member back to the struct that contains it.
*/
#ifndef ARSENAL_BASE_CONTAINER_OF_H
#define ARSENAL_BASE_CONTAINER_OF_H

#include <stddef.h>

#define container_of(pointer, type, member) ((type *)((char *)(pointer)-offsetof(type, member)))

#endif
