// cpp-httplib behind HttpClient. What this adds to it: a total deadline and cancellation (by
// shutting the socket down from outside), a pool of idle connections, redirects that keep secrets
// at home, TLS material read anew for each connection, and limits.
#include "base/http_client.h"

#include <algorithm>
#include <cstring>
#include <map>

#include <arpa/inet.h>
#include <httplib.h>
#include <netdb.h>
#include <openssl/pem.h>
#include <strings.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/labels.h"
#include "base/mutex.h"
#include "base/watchdog.h"

namespace deckwatch {
namespace {

constexpr int kMaxRedirects = 10;
constexpr size_t kMaxIdlePerHost = 4;
constexpr int64_t kConnectTimeoutMs = 10'000;

// Who ended a request before its time.
enum class Cut { kNone, kStopped, kDeadline };

// One connection to one host. Another thread may cut it while a request is on its way.
class Connection {
 public:
  explicit Connection(std::unique_ptr<httplib::ClientImpl> client) : client_(std::move(client)) {
    client_->set_socket_options([this](socket_t fd) { Adopt(fd); });
  }
  ~Connection() {
    client_.reset();
    if (socket_ >= 0) ::close(socket_);
  }
  Connection(const Connection&) = delete;
  Connection& operator=(const Connection&) = delete;

  httplib::ClientImpl& client() { return *client_; }
  bool used = false;  // has carried a request before

  // The number of the request that begins. A cut meant for an earlier one comes to nothing.
  uint64_t BeginRequest() {
    MutexLock lock(mutex_);
    cut_ = Cut::kNone;
    return ++request_;
  }
  void CutOff(uint64_t request, Cut why) {
    {
      MutexLock lock(mutex_);
      if (request != request_ || cut_ != Cut::kNone) return;
      cut_ = why;
      if (socket_ >= 0) {
        ::shutdown(socket_, SHUT_RDWR);
        return;
      }
    }
    client_->stop();  // a unix socket, which is not announced to Adopt
  }
  Cut cut() {
    MutexLock lock(mutex_);
    return cut_;
  }

 private:
  // Keeps a duplicate of the descriptor: shutdown() on it reaches the same socket, and cannot hit
  // a stranger after httplib has closed its own and the number was given out again.
  void Adopt(int fd) {
    httplib::default_socket_options(fd);
    MutexLock lock(mutex_);
    if (socket_ >= 0) ::close(socket_);
    socket_ = ::fcntl(fd, F_DUPFD_CLOEXEC, 0);
    if (cut_ != Cut::kNone) ::shutdown(socket_, SHUT_RDWR);
  }

  std::unique_ptr<httplib::ClientImpl> client_;
  Mutex mutex_;
  int socket_ GUARDED_BY(mutex_) = -1;
  uint64_t request_ GUARDED_BY(mutex_) = 0;
  Cut cut_ GUARDED_BY(mutex_) = Cut::kNone;
};

// ---- TLS -----------------------------------------------------------------------------------

struct BioFree {
  void operator()(BIO* b) const { BIO_free(b); }
};
using BioPtr = std::unique_ptr<BIO, BioFree>;

Result<BioPtr> OpenPem(const std::string& text, const std::string& file) {
  BioPtr bio(text.empty() ? BIO_new_file(file.c_str(), "r")
                          : BIO_new_mem_buf(text.data(), static_cast<int>(text.size())));
  if (!bio) return Status::Io("cannot read " + file + ": " + std::strerror(errno));
  return bio;
}

std::string NameOf(const std::string& file) {
  return file.empty() ? "the inline PEM" : file;
}

Status UseCa(const TlsConfig& tls, httplib::SSLClient* client) {
  if (tls.ca.empty() && tls.ca_file.empty()) return Status::Ok();
  TRY_ASSIGN(BioPtr bio, OpenPem(tls.ca, tls.ca_file));
  X509_STORE* store = X509_STORE_new();  // the client owns it from set_ca_cert_store on
  int count = 0;
  while (X509* cert = PEM_read_bio_X509(bio.get(), nullptr, nullptr, nullptr)) {
    X509_STORE_add_cert(store, cert);
    X509_free(cert);
    ++count;
  }
  ERR_clear_error();
  client->set_ca_cert_store(store);
  if (count == 0) return Status::InvalidArgument("no CA certificate in " + NameOf(tls.ca_file));
  return Status::Ok();
}

Status UseClientCert(const TlsConfig& tls, SSL_CTX* ctx) {
  if (tls.cert.empty() && tls.cert_file.empty()) return Status::Ok();
  TRY_ASSIGN(BioPtr cert_bio, OpenPem(tls.cert, tls.cert_file));
  X509* cert = PEM_read_bio_X509(cert_bio.get(), nullptr, nullptr, nullptr);
  bool ok = cert != nullptr && SSL_CTX_use_certificate(ctx, cert) == 1;
  X509_free(cert);
  while (ok) {  // the rest of the file is the chain; the context takes ownership
    X509* link = PEM_read_bio_X509(cert_bio.get(), nullptr, nullptr, nullptr);
    if (link == nullptr) break;
    if (SSL_CTX_add_extra_chain_cert(ctx, link) != 1) X509_free(link);
  }
  if (!ok) return Status::InvalidArgument("no client certificate in " + NameOf(tls.cert_file));
  TRY_ASSIGN(BioPtr key_bio, OpenPem(tls.key.Reveal(), tls.key_file));
  EVP_PKEY* key = PEM_read_bio_PrivateKey(key_bio.get(), nullptr, nullptr, nullptr);
  ok = key != nullptr && SSL_CTX_use_PrivateKey(ctx, key) == 1;
  EVP_PKEY_free(key);
  ERR_clear_error();
  if (!ok) return Status::InvalidArgument("no fitting private key in " + NameOf(tls.key_file));
  return Status::Ok();
}

int TlsVersion(const std::string& name) {
  if (name == "TLS10") return TLS1_VERSION;
  if (name == "TLS11") return TLS1_1_VERSION;
  if (name == "TLS12") return TLS1_2_VERSION;
  if (name == "TLS13") return TLS1_3_VERSION;
  return 0;
}

// The numeric address of `host`: httplib takes one when the name to verify is another.
Result<std::string> ResolveNumeric(const std::string& host) {
  addrinfo hints{};
  hints.ai_socktype = SOCK_STREAM;
  addrinfo* found = nullptr;
  if (const int rc = getaddrinfo(host.c_str(), nullptr, &hints, &found); rc != 0) {
    return Status::Unavailable("cannot resolve " + host + ": " + gai_strerror(rc));
  }
  char text[NI_MAXHOST] = "";
  getnameinfo(found->ai_addr, found->ai_addrlen, text, sizeof text, nullptr, 0, NI_NUMERICHOST);
  freeaddrinfo(found);
  return std::string(text);
}

Result<std::unique_ptr<httplib::ClientImpl>> NewTlsClient(const Url& url, const TlsConfig& tls) {
  const bool renamed = !tls.server_name.empty() && tls.server_name != url.host;
  auto client =
      std::make_unique<httplib::SSLClient>(renamed ? tls.server_name : url.host, url.port);
  if (renamed) {
    TRY_ASSIGN(const std::string address, ResolveNumeric(url.host));
    client->set_hostname_addr_map({{tls.server_name, address}});
  }
  client->enable_server_certificate_verification(!tls.insecure_skip_verify);
  TRY(UseCa(tls, client.get()));
  TRY(UseClientCert(tls, client->ssl_context()));
  if (const int v = TlsVersion(tls.min_version)) {
    SSL_CTX_set_min_proto_version(client->ssl_context(), v);
  }
  if (const int v = TlsVersion(tls.max_version)) {
    SSL_CTX_set_max_proto_version(client->ssl_context(), v);
  }
  return std::unique_ptr<httplib::ClientImpl>(std::move(client));
}

// ---- proxies -------------------------------------------------------------------------------

std::string Environment(const char* upper, const char* lower) {
  const char* v = ::getenv(lower);
  if (v == nullptr) v = ::getenv(upper);
  return v == nullptr ? "" : v;
}

// no_proxy: comma-separated host names; a name also covers its subdomains, "*" covers all.
bool BypassesProxy(std::string_view no_proxy, std::string_view host) {
  while (!no_proxy.empty()) {
    const size_t comma = no_proxy.find(',');
    std::string_view entry = no_proxy.substr(0, comma);
    no_proxy.remove_prefix(comma == std::string_view::npos ? no_proxy.size() : comma + 1);
    while (!entry.empty() && (entry.front() == ' ' || entry.front() == '.')) entry.remove_prefix(1);
    while (!entry.empty() && entry.back() == ' ') entry.remove_suffix(1);
    if (entry.empty()) continue;
    if (entry == "*" || entry == host) return true;
    if (host.size() > entry.size() && host.substr(host.size() - entry.size()) == entry &&
        host[host.size() - entry.size() - 1] == '.') {
      return true;
    }
  }
  return false;
}

Status UseProxy(const HttpClientConfig& config, const Url& url, httplib::ClientImpl* client) {
  std::string proxy = config.proxy_url, no_proxy = config.no_proxy;
  if (config.proxy_from_environment) {
    proxy = url.scheme == "https" ? Environment("HTTPS_PROXY", "https_proxy")
                                  : Environment("HTTP_PROXY", "http_proxy");
    no_proxy = Environment("NO_PROXY", "no_proxy");
  }
  if (proxy.empty() || url.scheme == "unix" || BypassesProxy(no_proxy, url.host)) {
    return Status::Ok();
  }
  TRY_ASSIGN(const Url parsed, Url::Parse(proxy));
  client->set_proxy(parsed.host, parsed.port);
  if (const size_t colon = parsed.user_info.find(':'); colon != std::string::npos) {
    client->set_proxy_basic_auth(parsed.user_info.substr(0, colon),
                                 parsed.user_info.substr(colon + 1));
  }
  return Status::Ok();
}

// ---- requests ------------------------------------------------------------------------------

std::string OriginOf(const Url& url) {
  return url.scheme + "://" + url.host + ":" + std::to_string(url.port);
}

Status SetHeader(httplib::Headers* headers, const std::string& name, const std::string& value) {
  const auto breaks = [](const std::string& s) {
    return s.find_first_of(std::string_view("\r\n\0", 3)) != std::string::npos;
  };
  if (name.empty() || breaks(name) || breaks(value)) {
    return Status::InvalidArgument("header " + QuoteGo(name) + " contains a line break");
  }
  headers->erase(name);
  headers->emplace(name, value);
  return Status::Ok();
}

// The headers that only the configured host may see.
Status AddSecretHeaders(const HttpClientConfig& config, const Url& url, httplib::Headers* out) {
  for (const auto& [name, value] : config.headers) TRY(SetHeader(out, name, value));
  for (const auto& [name, value] : config.secret_headers) {
    TRY(SetHeader(out, name, value.Reveal()));
  }
  for (const auto& [name, path] : config.header_files) {
    TRY_ASSIGN(const std::string value, ReadSecretFile(path));
    TRY(SetHeader(out, name, value));
  }
  TRY_ASSIGN(std::string authorization, AuthorizationHeader(config));
  if (authorization.empty() && !url.user_info.empty()) {
    HttpClientConfig from_url;
    const size_t colon = url.user_info.find(':');
    TRY_ASSIGN(from_url.basic_auth.username, UrlDecode(url.user_info.substr(0, colon)));
    if (colon != std::string::npos) {
      TRY_ASSIGN(std::string password, UrlDecode(url.user_info.substr(colon + 1)));
      from_url.basic_auth.password = Secret(std::move(password));
    }
    TRY_ASSIGN(authorization, AuthorizationHeader(from_url));
  }
  if (!authorization.empty()) TRY(SetHeader(out, "Authorization", authorization));
  return Status::Ok();
}

bool IsRedirect(int status) {
  return status == 301 || status == 302 || status == 303 || status == 307 || status == 308;
}

Result<Url> RedirectTarget(const Url& from, std::string_view location) {
  if (location.find("://") != std::string_view::npos) {
    TRY_ASSIGN(Url to, Url::Parse(location));
    if (to.scheme == "unix") return Status::InvalidArgument("redirect to a unix socket");
    return to;
  }
  Url to = from;
  if (location.substr(0, 2) == "//") return Url::Parse(from.scheme + ":" + std::string(location));
  if (!location.empty() && location[0] == '/') {
    to.target = location;
  } else {
    const std::string path = from.target.substr(0, from.target.find('?'));
    to.target = path.substr(0, path.rfind('/') + 1) + std::string(location);
  }
  return to;
}

// What came of one exchange with one host.
struct Exchange {
  HttpResponse response;
  bool too_large = false;
  bool refused_by_caller = false;
  bool any_bytes = false;
};

Status TransportError(httplib::Error error, Cut cut, const Exchange& exchange) {
  if (exchange.too_large) return Status::ResourceExhausted("answer is larger than the limit");
  if (exchange.refused_by_caller || cut == Cut::kStopped) return Status::Cancelled("cancelled");
  if (cut == Cut::kDeadline) return Status::DeadlineExceeded("timeout");
  switch (error) {
    case httplib::Error::Connection: return Status::Unavailable("cannot connect");
    case httplib::Error::ConnectionTimeout:
      return Status::DeadlineExceeded("timeout while connecting");
    case httplib::Error::SSLConnection: return Status::Unavailable("TLS handshake failed");
    case httplib::Error::SSLLoadingCerts: return Status::Io("cannot load CA certificates");
    case httplib::Error::SSLServerVerification:
      return Status::Unavailable("the server's certificate is not trusted for this name");
    case httplib::Error::Write: return Status::Io("connection lost while sending");
    default:
      return Status::Io(exchange.any_bytes ? "connection lost while reading the answer"
                                           : "connection lost or silent before an answer");
  }
}

}  // namespace

std::string_view HttpResponse::Header(std::string_view name) const {
  for (const auto& [key, value] : headers) {
    if (key.size() == name.size() && strncasecmp(key.data(), name.data(), name.size()) == 0) {
      return value;
    }
  }
  return {};
}

struct HttpClient::Impl {
  HttpClientConfig config;
  Mutex mutex;
  std::map<std::string, std::vector<std::shared_ptr<Connection>>> idle GUARDED_BY(mutex);
  Watchdog watchdog;

  Result<std::shared_ptr<Connection>> Connect(const Url& url);
  std::shared_ptr<Connection> TakeIdle(const std::string& origin);
  void PutIdle(const std::string& origin, std::shared_ptr<Connection> connection);
  Result<httplib::Request> Prepare(const HttpRequest& request, const Url& url,
                                   bool same_origin) const;
  Result<Exchange> Send(const HttpRequest& request, const Url& url, bool same_origin,
                        int64_t deadline_ms);
};

Result<std::shared_ptr<Connection>> HttpClient::Impl::Connect(const Url& url) {
  std::unique_ptr<httplib::ClientImpl> client;
  if (url.scheme == "https") {
    TRY_ASSIGN(client, NewTlsClient(url, config.tls));
  } else {
    client = std::make_unique<httplib::ClientImpl>(url.host, url.port);
    if (url.scheme == "unix") client->set_address_family(AF_UNIX);
  }
  TRY(UseProxy(config, url, client.get()));
  client->set_keep_alive(true);
  client->set_follow_location(false);
  client->set_url_encode(false);
  client->set_tcp_nodelay(true);
  return std::make_shared<Connection>(std::move(client));
}

std::shared_ptr<Connection> HttpClient::Impl::TakeIdle(const std::string& origin) {
  MutexLock lock(mutex);
  auto& list = idle[origin];
  if (list.empty()) return nullptr;
  auto connection = std::move(list.back());
  list.pop_back();
  return connection;
}

void HttpClient::Impl::PutIdle(const std::string& origin, std::shared_ptr<Connection> connection) {
  MutexLock lock(mutex);
  auto& list = idle[origin];
  if (list.size() < kMaxIdlePerHost) list.push_back(std::move(connection));
}

Result<httplib::Request> HttpClient::Impl::Prepare(const HttpRequest& request, const Url& url,
                                                   bool same_origin) const {
  httplib::Request out;
  out.method = request.method;
  out.path = url.target;
  out.body = request.body;
  const bool v6 = url.host.find(':') != std::string::npos;
  const bool default_port = url.port == (url.scheme == "https" ? 443 : 80);
  std::string host = url.scheme == "unix" ? "localhost" : v6 ? "[" + url.host + "]" : url.host;
  if (url.scheme != "unix" && !default_port) host += ":" + std::to_string(url.port);
  TRY(SetHeader(&out.headers, "Host", host));
  TRY(SetHeader(&out.headers, "User-Agent", "Deckwatch/" DECKWATCH_VERSION));
  TRY(SetHeader(&out.headers, "Accept-Encoding", "gzip"));
  if (!request.content_type.empty()) {
    TRY(SetHeader(&out.headers, "Content-Type", request.content_type));
  }
  for (const auto& [name, value] : request.headers) {
    const bool secret =
        strcasecmp(name.c_str(), "Authorization") == 0 || strcasecmp(name.c_str(), "Cookie") == 0;
    if (same_origin || !secret) TRY(SetHeader(&out.headers, name, value));
  }
  if (same_origin) TRY(AddSecretHeaders(config, url, &out.headers));
  return out;
}

Result<Exchange> HttpClient::Impl::Send(const HttpRequest& request, const Url& url,
                                        bool same_origin, int64_t deadline_ms) {
  TRY_ASSIGN(httplib::Request wire, Prepare(request, url, same_origin));
  Exchange exchange;
  wire.response_handler = [&](const httplib::Response& head) {
    exchange.any_bytes = true;
    exchange.response.status = head.status;
    return true;
  };
  size_t received = 0;
  wire.content_receiver = [&](const char* data, size_t size, uint64_t, uint64_t) {
    received += size;
    const int status = exchange.response.status;
    if (request.on_body && status >= 200 && status < 300) {
      exchange.refused_by_caller = !request.on_body(std::string_view(data, size));
      return !exchange.refused_by_caller;
    }
    exchange.too_large = received > request.max_body_bytes;
    if (!exchange.too_large) exchange.response.body.append(data, size);
    return !exchange.too_large;
  };

  const std::string origin = OriginOf(url);
  for (;;) {
    std::shared_ptr<Connection> connection = TakeIdle(origin);
    if (!connection) {
      TRY_ASSIGN(connection, Connect(url));
    }
    const uint64_t number = connection->BeginRequest();
    const auto milliseconds = [](int64_t ms) { return std::chrono::milliseconds(ms); };
    int64_t wait_ms = request.idle_timeout_ms > 0 ? request.idle_timeout_ms : 3'600'000;
    connection->client().set_connection_timeout(milliseconds(std::min(wait_ms, kConnectTimeoutMs)));
    connection->client().set_read_timeout(milliseconds(wait_ms));
    connection->client().set_write_timeout(milliseconds(wait_ms));

    httplib::Result result(nullptr, httplib::Error::Unknown);
    {
      // No server can hold the request longer than this, even one that trickles single bytes
      // (httplib's own timeouts are per read).
      Watchdog::Ticket ticket;
      if (deadline_ms > 0) {
        ticket = watchdog.Add(deadline_ms,
                              [connection, number] { connection->CutOff(number, Cut::kDeadline); });
      }
      std::stop_callback on_stop(request.stop, [&] { connection->CutOff(number, Cut::kStopped); });
      result = connection->client().send(wire);
      if (deadline_ms > 0) watchdog.Remove(ticket);
    }
    const Cut cut = connection->cut();
    if (result && cut == Cut::kNone) {
      exchange.response.status = result->status;
      exchange.response.headers.assign(result->headers.begin(), result->headers.end());
      connection->used = true;
      PutIdle(origin, std::move(connection));
      return exchange;
    }
    // The server may close an idle connection just as we use it: once more on a fresh one.
    const bool stale = connection->used && cut == Cut::kNone && !exchange.any_bytes;
    if (stale && (request.method == "GET" || request.method == "HEAD")) continue;
    return TransportError(result.error(), cut, exchange).Annotate(url.ToString());
  }
}

HttpClient::HttpClient(HttpClientConfig config) : impl_(std::make_unique<Impl>()) {
  impl_->config = std::move(config);
}

HttpClient::~HttpClient() = default;

Result<HttpResponse> HttpClient::Do(const HttpRequest& request) {
  TRY_ASSIGN(const Url first, Url::Parse(request.url));
  const int64_t deadline_ms =
      request.timeout_ms > 0 ? Clock::Real()->MonotonicMs() + request.timeout_ms : 0;
  HttpRequest step = request;
  Url url = first;
  for (int hops = 0;; ++hops) {
    if (request.stop.stop_requested()) return Status::Cancelled(url.ToString() + ": cancelled");
    TRY_ASSIGN(Exchange exchange,
               impl_->Send(step, url, OriginOf(url) == OriginOf(first), deadline_ms));
    const std::string_view location = exchange.response.Header("Location");
    if (!impl_->config.follow_redirects || !IsRedirect(exchange.response.status) ||
        location.empty()) {
      return std::move(exchange.response);
    }
    if (hops == kMaxRedirects) return Status::Io(first.ToString() + ": too many redirects");
    TRY_ASSIGN(url, RedirectTarget(url, location));
    if (exchange.response.status < 307 && step.method != "HEAD") {
      step.method = "GET";
      step.body.clear();
      step.content_type.clear();
    }
  }
}

}  // namespace deckwatch
