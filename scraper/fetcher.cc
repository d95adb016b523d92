#include "scraper/fetcher.h"

#include <algorithm>
#include <unordered_map>
#include <utility>
#include <vector>

#include <curl/curl.h>

#include "base/clock.h"
#include "base/http_client.h"
#include "base/sample.h"

namespace deckwatch::scraper {

namespace {

constexpr long kMaxRedirects = 10;
constexpr long kMaxIdleConnections = 20'000;

struct CurlInit {
  CurlInit() { CHECK(curl_global_init(CURL_GLOBAL_DEFAULT) == CURLE_OK); }
};

// curl keeps the lowest and the highest version in one number.
long TlsVersions(const TlsConfig& tls) {
  struct Known {
    std::string_view name;
    long lowest, highest;
  };
  constexpr Known kKnown[] = {{"TLS10", CURL_SSLVERSION_TLSv1_0, CURL_SSLVERSION_MAX_TLSv1_0},
                              {"TLS11", CURL_SSLVERSION_TLSv1_1, CURL_SSLVERSION_MAX_TLSv1_1},
                              {"TLS12", CURL_SSLVERSION_TLSv1_2, CURL_SSLVERSION_MAX_TLSv1_2},
                              {"TLS13", CURL_SSLVERSION_TLSv1_3, CURL_SSLVERSION_MAX_TLSv1_3}};
  long out = 0;  // the library's defaults
  for (const Known& k : kKnown) {
    if (tls.min_version == k.name) out |= k.lowest;
    if (tls.max_version == k.name) out |= k.highest;
  }
  return out;
}

class HeaderList {
 public:
  HeaderList() = default;
  ~HeaderList() { curl_slist_free_all(list_); }
  HeaderList(const HeaderList&) = delete;
  HeaderList& operator=(const HeaderList&) = delete;
  void Add(const std::string& name, const std::string& value) {
    // A line break would begin another header.
    std::string line = name + ": " + value;
    std::erase_if(line, [](char c) { return c == '\r' || c == '\n'; });
    list_ = curl_slist_append(list_, line.c_str());
  }
  void AddRaw(const std::string& line) { list_ = curl_slist_append(list_, line.c_str()); }
  curl_slist* get() const { return list_; }

 private:
  curl_slist* list_ = nullptr;
};

// One request on the way.
struct Transfer {
  FetchRequest request;
  std::function<void(FetchResult)> done;
  CURL* easy = nullptr;
  HeaderList headers, proxy_headers, connect_to;
  std::string body;
  bool too_large = false;
  char error[CURL_ERROR_SIZE] = {};
};

size_t OnBody(char* data, size_t size, size_t count, void* user) {
  auto* transfer = static_cast<Transfer*>(user);
  const size_t n = size * count;
  const int64_t limit = transfer->request.config->limits.body_bytes;
  if (limit > 0 && transfer->body.size() + n > static_cast<size_t>(limit)) {
    transfer->too_large = true;
    return CURL_WRITEFUNC_ERROR;
  }
  transfer->body.append(data, n);
  return n;
}

void SetBlob(CURL* easy, CURLoption option, const std::string& pem) {
  if (pem.empty()) return;
  curl_blob blob{const_cast<char*>(pem.data()), pem.size(), CURL_BLOB_COPY};
  curl_easy_setopt(easy, option, &blob);
}

void SetFile(CURL* easy, CURLoption option, const std::string& path) {
  if (!path.empty()) curl_easy_setopt(easy, option, path.c_str());
}

void SetTls(const TlsConfig& tls, Transfer* t) {
  CURL* easy = t->easy;
  SetFile(easy, CURLOPT_CAINFO, tls.ca_file);
  SetFile(easy, CURLOPT_SSLCERT, tls.cert_file);
  SetFile(easy, CURLOPT_SSLKEY, tls.key_file);
  SetBlob(easy, CURLOPT_CAINFO_BLOB, tls.ca);
  SetBlob(easy, CURLOPT_SSLCERT_BLOB, tls.cert);
  SetBlob(easy, CURLOPT_SSLKEY_BLOB, tls.key.Reveal());
  curl_easy_setopt(easy, CURLOPT_SSL_VERIFYPEER, tls.insecure_skip_verify ? 0L : 1L);
  curl_easy_setopt(easy, CURLOPT_SSL_VERIFYHOST, tls.insecure_skip_verify ? 0L : 2L);
  curl_easy_setopt(easy, CURLOPT_SSLVERSION, TlsVersions(tls));
}

// curl takes the TLS name from the URL. So for another server_name the URL names that, the
// connection goes to the true host, and the Host header stays the true one.
std::string UrlForServerName(const std::string& server_name, Transfer* t) {
  const std::string& url = t->request.url;
  const Result<Url> parsed = Url::Parse(url);
  if (server_name.empty() || !parsed.ok() || parsed->scheme != "https") return url;
  const std::string port = std::to_string(parsed->port);
  const std::string host =
      parsed->host.find(':') == std::string::npos ? parsed->host : "[" + parsed->host + "]";
  t->connect_to.AddRaw(server_name + ":" + port + ":" + host + ":" + port);
  curl_easy_setopt(t->easy, CURLOPT_CONNECT_TO, t->connect_to.get());
  t->headers.Add("Host", parsed->port == 443 ? host : host + ":" + port);
  return "https://" + server_name + ":" + port + parsed->target;
}

void SetProxy(const HttpClientConfig& http, Transfer* t) {
  // An empty proxy keeps curl from asking the environment.
  if (!http.proxy_from_environment) {
    curl_easy_setopt(t->easy, CURLOPT_PROXY, http.proxy_url.c_str());
    if (!http.no_proxy.empty()) curl_easy_setopt(t->easy, CURLOPT_NOPROXY, http.no_proxy.c_str());
  }
  for (const auto& [name, value] : http.proxy_connect_headers) {
    t->proxy_headers.Add(name, value.Reveal());
  }
  curl_easy_setopt(t->easy, CURLOPT_HEADEROPT, static_cast<long>(CURLHEADER_SEPARATE));
  curl_easy_setopt(t->easy, CURLOPT_PROXYHEADER, t->proxy_headers.get());
}

Status SetHeaders(const ScrapeConfig& config, Transfer* t) {
  t->headers.Add("Accept", AcceptHeader(config));
  if (!config.enable_compression) t->headers.Add("Accept-Encoding", "identity");
  t->headers.Add("X-Prometheus-Scrape-Timeout-Seconds",
                 FormatFloat(static_cast<double>(t->request.timeout_ms) / 1000));
  TRY_ASSIGN(const std::string authorization, AuthorizationHeader(config.http));
  // curl does not send a header of this name to another host after a redirect.
  if (!authorization.empty()) t->headers.Add("Authorization", authorization);
  for (const auto& [name, value] : config.http.headers) t->headers.Add(name, value);
  for (const auto& [name, value] : config.http.secret_headers) t->headers.Add(name, value.Reveal());
  for (const auto& [name, path] : config.http.header_files) {
    TRY_ASSIGN(const std::string value, ReadSecretFile(path));
    t->headers.Add(name, value);
  }
  curl_easy_setopt(t->easy, CURLOPT_HTTPHEADER, t->headers.get());
  return Status::Ok();
}

Status Prepare(Transfer* t) {
  const ScrapeConfig& config = *t->request.config;
  CURL* easy = t->easy;
  SetTls(config.http.tls, t);
  const std::string url = UrlForServerName(config.http.tls.server_name, t);
  curl_easy_setopt(easy, CURLOPT_URL, url.c_str());
  if (!t->request.unix_socket.empty()) {
    curl_easy_setopt(easy, CURLOPT_UNIX_SOCKET_PATH, t->request.unix_socket.c_str());
  }
  curl_easy_setopt(easy, CURLOPT_PROTOCOLS_STR, "http,https");
  curl_easy_setopt(easy, CURLOPT_REDIR_PROTOCOLS_STR, "http,https");
  curl_easy_setopt(easy, CURLOPT_FOLLOWLOCATION, config.http.follow_redirects ? 1L : 0L);
  curl_easy_setopt(easy, CURLOPT_MAXREDIRS, kMaxRedirects);
  curl_easy_setopt(
      easy, CURLOPT_HTTP_VERSION,
      static_cast<long>(config.http.enable_http2 ? CURL_HTTP_VERSION_2TLS : CURL_HTTP_VERSION_1_1));
  curl_easy_setopt(easy, CURLOPT_USERAGENT, "Deckwatch/" DECKWATCH_VERSION);
  curl_easy_setopt(easy, CURLOPT_TIMEOUT_MS, static_cast<long>(t->request.timeout_ms));
  curl_easy_setopt(easy, CURLOPT_CONNECTTIMEOUT_MS, static_cast<long>(t->request.timeout_ms));
  curl_easy_setopt(easy, CURLOPT_NOSIGNAL, 1L);
  if (config.enable_compression) curl_easy_setopt(easy, CURLOPT_ACCEPT_ENCODING, "gzip");
  curl_easy_setopt(easy, CURLOPT_WRITEFUNCTION, OnBody);
  curl_easy_setopt(easy, CURLOPT_WRITEDATA, t);
  curl_easy_setopt(easy, CURLOPT_ERRORBUFFER, t->error);
  curl_easy_setopt(easy, CURLOPT_PRIVATE, t);
  SetProxy(config.http, t);
  t->body.reserve(t->request.expected_bytes);
  return SetHeaders(config, t);
}

Status Outcome(const Transfer& t, CURLcode code) {
  const std::string where = "get " + t.request.url + ": ";
  if (t.too_large) {
    return Status::ResourceExhausted(where + "body exceeds the limit of " +
                                     std::to_string(t.request.config->limits.body_bytes) +
                                     " bytes (body_size_limit)");
  }
  if (code == CURLE_OPERATION_TIMEDOUT) {
    return Status::DeadlineExceeded(where + "timed out after " +
                                    FormatDurationMs(t.request.timeout_ms));
  }
  if (code != CURLE_OK) {
    return Status::Io(where + (t.error[0] != '\0' ? t.error : curl_easy_strerror(code)));
  }
  long http_status = 0;
  curl_easy_getinfo(t.easy, CURLINFO_RESPONSE_CODE, &http_status);
  if (http_status == 200) return Status::Ok();
  return Status::Io(where + "server returned HTTP status " + std::to_string(http_status));
}

}  // namespace

class Fetcher::Impl {
 public:
  Impl() {
    static const CurlInit init;
    multi_ = curl_multi_init();
    CHECK(multi_ != nullptr);
    curl_multi_setopt(multi_, CURLMOPT_MAXCONNECTS, kMaxIdleConnections);
    curl_multi_setopt(multi_, CURLMOPT_PIPELINING, static_cast<long>(CURLPIPE_NOTHING));
  }
  ~Impl() {
    for (auto& [easy, transfer] : running_) {
      curl_multi_remove_handle(multi_, easy);
      curl_easy_cleanup(easy);
    }
    for (CURL* easy : idle_) curl_easy_cleanup(easy);
    curl_multi_cleanup(multi_);
  }

  void Start(const FetchRequest& request, std::function<void(FetchResult)> done) {
    auto t = std::make_unique<Transfer>();
    t->request = request;
    t->done = std::move(done);
    t->easy = TakeEasy();
    if (Status status = Prepare(t.get()); !status.ok()) {
      failed_.push_back({std::move(t->done), std::move(status)});
      GiveBack(t->easy);
      return;
    }
    CURL* const easy = t->easy;
    running_.emplace(easy, std::move(t));
    curl_multi_add_handle(multi_, easy);
  }

  void Run(int64_t max_wait_ms) {
    int still_running = 0;
    curl_multi_perform(multi_, &still_running);
    if (!Deliver()) {
      curl_multi_poll(multi_, nullptr, 0, static_cast<int>(std::max<int64_t>(0, max_wait_ms)),
                      nullptr);
      curl_multi_perform(multi_, &still_running);
      Deliver();
    }
  }

  void Wake() { curl_multi_wakeup(multi_); }
  size_t running() const { return running_.size() + failed_.size(); }

 private:
  struct Failed {
    std::function<void(FetchResult)> done;
    Status status;
  };

  CURL* TakeEasy() {
    if (idle_.empty()) {
      CURL* easy = curl_easy_init();
      CHECK(easy != nullptr);
      return easy;
    }
    CURL* easy = idle_.back();
    idle_.pop_back();
    return easy;
  }
  void GiveBack(CURL* easy) {
    curl_easy_reset(easy);
    idle_.push_back(easy);
  }

  // Hands over what has ended. `done` may start new requests.
  bool Deliver() {
    bool any = false;
    std::vector<Failed> failed;
    failed.swap(failed_);
    for (Failed& f : failed) {
      any = true;
      f.done({std::move(f.status), "", ""});
    }
    int left = 0;
    while (CURLMsg* message = curl_multi_info_read(multi_, &left)) {
      if (message->msg != CURLMSG_DONE) continue;
      any = true;
      CURL* const easy = message->easy_handle;
      const CURLcode code = message->data.result;
      const auto it = running_.find(easy);
      std::unique_ptr<Transfer> t = std::move(it->second);
      running_.erase(it);
      FetchResult result{Outcome(*t, code), "", std::move(t->body)};
      const char* content_type = nullptr;
      curl_easy_getinfo(easy, CURLINFO_CONTENT_TYPE, &content_type);
      if (content_type != nullptr) result.content_type = content_type;
      curl_multi_remove_handle(multi_, easy);
      GiveBack(easy);
      t->done(std::move(result));
    }
    return any;
  }

  CURLM* multi_ = nullptr;
  std::unordered_map<CURL*, std::unique_ptr<Transfer>> running_;
  std::vector<CURL*> idle_;
  std::vector<Failed> failed_;  // could not start; told in the next Run
};

Fetcher::Fetcher() : impl_(std::make_unique<Impl>()) {}
Fetcher::~Fetcher() = default;
void Fetcher::Start(const FetchRequest& request, std::function<void(FetchResult)> done) {
  impl_->Start(request, std::move(done));
}
void Fetcher::Run(int64_t max_wait_ms) {
  impl_->Run(max_wait_ms);
}
void Fetcher::Wake() {
  impl_->Wake();
}
size_t Fetcher::running() const {
  return impl_->running();
}

}  // namespace deckwatch::scraper
