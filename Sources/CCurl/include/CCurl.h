// SPDX-License-Identifier: Apache-2.0
#ifndef CCURL_H
#define CCURL_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

// libcurl's options are variadic and invisible to Swift; this is the little of it that reading headers over HTTP
// needs. One call is one request: redirects are not followed here, because who may see a token is decided above.

typedef struct ccurl_connection ccurl_connection;

enum ccurl_outcome {
  CCURL_COMPLETE = 0,
  CCURL_CUT,              // the body was longer than its limit; the connection was closed there
  CCURL_NAME_UNKNOWN,     // the host name does not resolve
  CCURL_REFUSED,          // nobody listens, or no route
  CCURL_TIMED_OUT,
  CCURL_TLS,              // certificate or handshake
  CCURL_ENDED_EARLY,      // fewer bytes than announced
  CCURL_BROKEN,           // reset, or an answer that is not HTTP
  CCURL_BAD_URL,
  CCURL_OUT_OF_MEMORY,
  CCURL_OTHER,
};

typedef struct ccurl_limits {
  long connect_timeout_ms;
  long stall_timeout_s;   // less than one byte a second for so long ends the transfer
  long total_timeout_ms;
  size_t part_bytes;      // of the body of a partial answer (206)
  size_t whole_bytes;     // of any other body
} ccurl_limits;

typedef struct ccurl_answer {
  long status;
  const uint8_t *body;
  size_t body_bytes;
  int64_t announced_bytes;      // -1 when the server does not say
  int64_t retry_after_s;        // 0 when the server does not say
  const char *redirect_url;     // absolute; NULL without a Location
  char content_range[96];
  char error_code[64];          // the hub's own header X-Error-Code
  char detail[256];             // libcurl's words when the outcome is not complete
} ccurl_answer;

// NULL when libcurl cannot start.
ccurl_connection *ccurl_open(void);
void ccurl_close(ccurl_connection *connection);

// Performs a GET; `range` ("0-65535") and `authorization` (a whole header line) may be NULL.
// The answer belongs to the connection and holds until its next call.
enum ccurl_outcome ccurl_get(
    ccurl_connection *connection, const char *url, const char *range, const char *authorization,
    const char *user_agent, const ccurl_limits *limits, const ccurl_answer **answer);

// Whether a text is an absolute http or https URL with a host and without user, query or fragment.
bool ccurl_is_endpoint(const char *url);
// Whether scheme, host and port are the same.
bool ccurl_same_origin(const char *left, const char *right);
bool ccurl_is_https(const char *url);

#endif
