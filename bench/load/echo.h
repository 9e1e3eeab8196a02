/* Each connection keeps `depth` messages in flight: for each that came back whole, one is sent. */
#ifndef echo_h
#define echo_h

#include "mode.h"

extern const struct mode echo_mode;

#endif
