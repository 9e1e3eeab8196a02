/*
** The open descriptors of this process.
*/
#ifndef ATTACK_KIT_DESCRIPTORS_H
#define ATTACK_KIT_DESCRIPTORS_H

#include <stddef.h>

/* Keeps which descriptors are open now. */
void descriptors_remember(void);

/* Writes into `text` what the descriptors opened since then are. Returns how many there are. */
int descriptors_find_new(char *text, size_t size);

#endif
