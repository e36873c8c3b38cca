// SPDX-License-Identifier: Apache-2.0
#include "CCurl.h"

#include <curl/curl.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

struct ccurl_connection {
  CURL *curl;
  ccurl_limits limits;
  ccurl_answer answer;
  uint8_t *body;
  size_t capacity;
  bool is_cut;
  bool is_out_of_memory;
};

static pthread_once_t once = PTHREAD_ONCE_INIT;
static void start(void) { curl_global_init(CURL_GLOBAL_DEFAULT); }

ccurl_connection *ccurl_open(void) {
  pthread_once(&once, start);
  ccurl_connection *connection = calloc(1, sizeof *connection);
  if (!connection) return NULL;
  connection->curl = curl_easy_init();
  if (!connection->curl) {
    free(connection);
    return NULL;
  }
  return connection;
}

void ccurl_close(ccurl_connection *connection) {
  if (!connection) return;
  curl_easy_cleanup(connection->curl);
  free(connection->body);
  free(connection);
}

static bool reserve(ccurl_connection *connection, size_t needed) {
  if (needed <= connection->capacity) return true;
  size_t capacity = connection->capacity ? connection->capacity : 16384;
  while (capacity < needed) capacity *= 2;
  uint8_t *grown = realloc(connection->body, capacity);
  if (!grown) return false;
  connection->body = grown;
  connection->capacity = capacity;
  return true;
}

// Keeps the body up to its limit; a short count tells libcurl to stop.
static size_t take_body(char *bytes, size_t size, size_t count, void *context) {
  ccurl_connection *connection = context;
  size_t length = size * count;
  long status = 0;
  curl_easy_getinfo(connection->curl, CURLINFO_RESPONSE_CODE, &status);
  size_t limit = status == 206 ? connection->limits.part_bytes : connection->limits.whole_bytes;
  size_t have = connection->answer.body_bytes;
  size_t kept = length <= limit - have ? length : limit - have;
  if (!reserve(connection, have + kept)) {
    connection->is_out_of_memory = true;
    return 0;
  }
  if (kept) memcpy(connection->body + have, bytes, kept);
  connection->answer.body_bytes = have + kept;
  connection->is_cut = kept < length;
  return connection->is_cut ? 0 : length;
}

// Copies the value of a header line when its name is the one asked for.
static void keep_header(const char *line, size_t length, const char *name, char *value, size_t capacity) {
  size_t start = strlen(name);
  if (length <= start || strncasecmp(line, name, start) != 0) return;
  while (start < length && (line[start] == ' ' || line[start] == '\t')) start++;
  while (length > start && (unsigned char)line[length - 1] <= ' ') length--;
  size_t count = length - start < capacity - 1 ? length - start : capacity - 1;
  memcpy(value, line + start, count);
  value[count] = 0;
}

static size_t take_header(char *line, size_t size, size_t count, void *context) {
  ccurl_answer *answer = &((ccurl_connection *)context)->answer;
  size_t length = size * count;
  if (length >= 5 && memcmp(line, "HTTP/", 5) == 0) answer->content_range[0] = answer->error_code[0] = 0;
  keep_header(line, length, "content-range:", answer->content_range, sizeof answer->content_range);
  keep_header(line, length, "x-error-code:", answer->error_code, sizeof answer->error_code);
  return length;
}

static enum ccurl_outcome outcome(const ccurl_connection *connection, CURLcode code) {
  if (connection->is_out_of_memory) return CCURL_OUT_OF_MEMORY;
  if (connection->is_cut) return CCURL_CUT;
  switch (code) {
    case CURLE_OK: return CCURL_COMPLETE;
    case CURLE_COULDNT_RESOLVE_HOST:
    case CURLE_COULDNT_RESOLVE_PROXY: return CCURL_NAME_UNKNOWN;
    case CURLE_COULDNT_CONNECT: return CCURL_REFUSED;
    case CURLE_OPERATION_TIMEDOUT: return CCURL_TIMED_OUT;
    case CURLE_SSL_CONNECT_ERROR:
    case CURLE_SSL_CERTPROBLEM:
    case CURLE_SSL_CIPHER:
    case CURLE_SSL_CACERT_BADFILE:
    case CURLE_SSL_ISSUER_ERROR:
    case CURLE_PEER_FAILED_VERIFICATION: return CCURL_TLS;
    case CURLE_PARTIAL_FILE: return CCURL_ENDED_EARLY;
    case CURLE_GOT_NOTHING:
    case CURLE_SEND_ERROR:
    case CURLE_RECV_ERROR:
    case CURLE_HTTP2:
    case CURLE_HTTP2_STREAM:
    case CURLE_WEIRD_SERVER_REPLY: return CCURL_BROKEN;
    case CURLE_URL_MALFORMAT:
    case CURLE_UNSUPPORTED_PROTOCOL: return CCURL_BAD_URL;
    case CURLE_OUT_OF_MEMORY: return CCURL_OUT_OF_MEMORY;
    default: return CCURL_OTHER;
  }
}

static void allow_web_only(CURL *curl) {
#if LIBCURL_VERSION_NUM >= 0x075500
  curl_easy_setopt(curl, CURLOPT_PROTOCOLS_STR, "http,https");
#else
  curl_easy_setopt(curl, CURLOPT_PROTOCOLS, (long)(CURLPROTO_HTTP | CURLPROTO_HTTPS));
#endif
}

static void set_options(ccurl_connection *connection, const char *url, const char *range, const char *user_agent) {
  CURL *curl = connection->curl;
  curl_easy_reset(curl);
  allow_web_only(curl);
  curl_easy_setopt(curl, CURLOPT_URL, url);
  curl_easy_setopt(curl, CURLOPT_RANGE, range);
  curl_easy_setopt(curl, CURLOPT_USERAGENT, user_agent);
  curl_easy_setopt(curl, CURLOPT_FOLLOWLOCATION, 0L);
  curl_easy_setopt(curl, CURLOPT_NOSIGNAL, 1L);
  curl_easy_setopt(curl, CURLOPT_HTTP09_ALLOWED, 0L);
  curl_easy_setopt(curl, CURLOPT_CONNECTTIMEOUT_MS, connection->limits.connect_timeout_ms);
  curl_easy_setopt(curl, CURLOPT_TIMEOUT_MS, connection->limits.total_timeout_ms);
  curl_easy_setopt(curl, CURLOPT_LOW_SPEED_LIMIT, 1L);
  curl_easy_setopt(curl, CURLOPT_LOW_SPEED_TIME, connection->limits.stall_timeout_s);
  curl_easy_setopt(curl, CURLOPT_WRITEFUNCTION, take_body);
  curl_easy_setopt(curl, CURLOPT_WRITEDATA, connection);
  curl_easy_setopt(curl, CURLOPT_HEADERFUNCTION, take_header);
  curl_easy_setopt(curl, CURLOPT_HEADERDATA, connection);
  curl_easy_setopt(curl, CURLOPT_ERRORBUFFER, connection->answer.detail);
}

static void read_facts(ccurl_connection *connection) {
  ccurl_answer *answer = &connection->answer;
  curl_off_t length = -1, wait = 0;
  char *redirect = NULL;
  curl_easy_getinfo(connection->curl, CURLINFO_RESPONSE_CODE, &answer->status);
  curl_easy_getinfo(connection->curl, CURLINFO_CONTENT_LENGTH_DOWNLOAD_T, &length);
  curl_easy_getinfo(connection->curl, CURLINFO_RETRY_AFTER, &wait);
  curl_easy_getinfo(connection->curl, CURLINFO_REDIRECT_URL, &redirect);
  answer->announced_bytes = length;
  answer->retry_after_s = wait;
  answer->redirect_url = redirect;
  answer->body = connection->body;
}

enum ccurl_outcome ccurl_get(
    ccurl_connection *connection, const char *url, const char *range, const char *authorization,
    const char *user_agent, const ccurl_limits *limits, const ccurl_answer **answer) {
  memset(&connection->answer, 0, sizeof connection->answer);
  connection->is_cut = connection->is_out_of_memory = false;
  connection->limits = *limits;
  *answer = &connection->answer;
  set_options(connection, url, range, user_agent);
  struct curl_slist *headers = NULL;
  if (authorization) {
    headers = curl_slist_append(NULL, authorization);
    if (!headers) return CCURL_OUT_OF_MEMORY;
    curl_easy_setopt(connection->curl, CURLOPT_HTTPHEADER, headers);
  }
  CURLcode code = curl_easy_perform(connection->curl);
  read_facts(connection);
  curl_easy_setopt(connection->curl, CURLOPT_HTTPHEADER, NULL);
  curl_slist_free_all(headers);
  if (code != CURLE_OK && !connection->answer.detail[0])
    strncpy(connection->answer.detail, curl_easy_strerror(code), sizeof connection->answer.detail - 1);
  return outcome(connection, code);
}

// A part of a URL, lower case; empty when it is missing or the URL is none.
static void url_part(const char *url, CURLUPart what, char *part, size_t capacity) {
  part[0] = 0;
  CURLU *parsed = curl_url();
  char *value = NULL;
  if (parsed && curl_url_set(parsed, CURLUPART_URL, url, 0) == CURLUE_OK
      && curl_url_get(parsed, what, &value, CURLU_DEFAULT_PORT) == CURLUE_OK && strlen(value) < capacity) {
    size_t index = 0;
    for (; value[index]; index++)
      part[index] = value[index] >= 'A' && value[index] <= 'Z' ? value[index] + 32 : value[index];
    part[index] = 0;
  }
  curl_free(value);
  curl_url_cleanup(parsed);
}

enum { PART_BYTES = 300 };  // a host name has at most 253 characters (RFC 1035)

static bool same_part(const char *left, const char *right, CURLUPart what) {
  char a[PART_BYTES], b[PART_BYTES];
  url_part(left, what, a, sizeof a);
  url_part(right, what, b, sizeof b);
  return a[0] && strcmp(a, b) == 0;
}

bool ccurl_same_origin(const char *left, const char *right) {
  return same_part(left, right, CURLUPART_SCHEME) && same_part(left, right, CURLUPART_HOST)
      && same_part(left, right, CURLUPART_PORT);
}

bool ccurl_is_https(const char *url) {
  char scheme[PART_BYTES];
  url_part(url, CURLUPART_SCHEME, scheme, sizeof scheme);
  return strcmp(scheme, "https") == 0;
}

bool ccurl_is_endpoint(const char *url) {
  char scheme[PART_BYTES], host[PART_BYTES], user[PART_BYTES];
  url_part(url, CURLUPART_SCHEME, scheme, sizeof scheme);
  url_part(url, CURLUPART_HOST, host, sizeof host);
  url_part(url, CURLUPART_USER, user, sizeof user);
  bool is_web = strcmp(scheme, "https") == 0 || strcmp(scheme, "http") == 0;
  return is_web && host[0] && !user[0] && !strchr(url, '?') && !strchr(url, '#');
}
