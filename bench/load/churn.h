/* Connections that come and go: connect, one message there and back, half-close, the server's
** end of stream, close; `connections` of them at any time. One operation is one whole
** connection. */
#ifndef churn_h
#define churn_h

#include "mode.h"

extern const struct mode churn_mode;

#endif
