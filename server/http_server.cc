#include "server/http_server.h"

#include <algorithm>
#include <array>
#include <atomic>
#include <cstring>
#include <iterator>
#include <sstream>

#include <httplib.h>

#include "base/clock.h"
#include "base/executor.h"
#include "base/log.h"
#include "base/mutex.h"
#include "server/content_coding.h"
#include "server/form.h"

namespace deckwatch::server {

namespace {

// One framed request as httplib wants to read it, and the response's head as it writes it: no
// socket, and no body of a response.
class MemoryStream : public httplib::Stream {
 public:
  MemoryStream(std::string head, std::string_view body) : head_(std::move(head)), body_(body) {}
  bool is_readable() const override { return at_ < head_.size() + body_.size(); }
  bool is_writable() const override { return true; }
  ssize_t read(char* out, size_t size) override {
    const std::string_view from = at_ < head_.size()
                                      ? std::string_view(head_).substr(at_)
                                      : body_.substr(std::min(at_ - head_.size(), body_.size()));
    const size_t n = std::min(size, from.size());
    std::memcpy(out, from.data(), n);
    at_ += n;
    return static_cast<ssize_t>(n);
  }
  ssize_t write(const char* p, size_t size) override {
    answer_.append(p, size);
    return static_cast<ssize_t>(size);
  }
  void get_remote_ip_and_port(std::string&, int&) const override {}
  void get_local_ip_and_port(std::string&, int&) const override {}
  socket_t socket() const override { return INVALID_SOCKET; }
  std::string TakeHead() { return std::move(answer_); }

 private:
  std::string head_;
  std::string_view body_;
  size_t at_ = 0;
  std::string answer_;
};

bool IsCompressed(std::string_view content_encoding) {
  return EqualsIgnoreCase(content_encoding, "gzip") ||
         EqualsIgnoreCase(content_encoding, "deflate");
}

bool HasBody(std::string_view method) {
  return method == "POST" || method == "PUT" || method == "DELETE";
}

// Only what httplib needs to decode path and body. Ranges, chunk framing and forwarded addresses,
// where its holes are, never reach it; nor do plain bodies.
std::string HeadForHttplib(const RawRequest& raw) {
  const std::string path = raw.target.substr(0, raw.target.find('?'));
  std::string head = raw.method + " " + path + " HTTP/1.1\r\n";
  const std::string_view encoding = raw.Header("Content-Encoding");
  if (IsCompressed(encoding)) {
    head += "Content-Encoding: " + std::string(encoding) + "\r\n";
    head += "Content-Length: " + std::to_string(raw.body.size()) + "\r\n";
  }
  if (!raw.keep_alive) head += "Connection: close\r\n";
  return head + "\r\n";
}

struct RouteEntry {
  std::string methods;  // " GET HEAD POST "
  std::string pattern;
  std::string before, after;  // around `*`
  bool wild = false;
  Lane lane;
  Handler handler;

  bool Takes(const std::string& method) const {
    return methods.find(" " + method + " ") != std::string::npos;
  }
  // "GET, OPTIONS, POST"
  std::string Allow() const {
    std::istringstream words(Takes("OPTIONS") ? methods : methods + "OPTIONS");
    std::vector<std::string> sorted{std::istream_iterator<std::string>(words), {}};
    std::sort(sorted.begin(), sorted.end());
    std::string out;
    for (const std::string& method : sorted) out += (out.empty() ? "" : ", ") + method;
    return out;
  }
  // `value`: what `*` stands for.
  bool Matches(std::string_view path, std::string* value) const {
    if (!wild) return path == pattern;
    if (path.size() <= before.size() + after.size() || path.substr(0, before.size()) != before ||
        path.substr(path.size() - after.size()) != after) {
      return false;
    }
    path.remove_prefix(before.size());
    path.remove_suffix(after.size());
    *value = path;
    return path.find('/') == std::string_view::npos;
  }
};

}  // namespace

std::string_view Request::Header(std::string_view name) const {
  for (const auto& [key, value] : headers) {
    if (EqualsIgnoreCase(key, name)) return value;
  }
  return {};
}

std::string_view Request::Param(std::string_view name) const {
  for (const auto& [key, value] : params) {
    if (key == name) return value;
  }
  return {};
}

std::vector<std::string> Request::Params(std::string_view name) const {
  std::vector<std::string> values;
  for (const auto& [key, value] : params) {
    if (key == name) values.push_back(value);
  }
  return values;
}

bool Request::SameOrigin() const {
  std::string_view origin = Header("Origin");
  if (origin.empty()) return true;
  const size_t scheme = origin.find("://");
  if (scheme == std::string_view::npos) return false;  // "null"
  return EqualsIgnoreCase(origin.substr(scheme + 3), Header("Host"));
}

void Response::Text(int code, std::string_view text) {
  status = code;
  content_type = "text/plain; charset=utf-8";
  body = text;
}

// httplib's half: it reads one request from memory, calls back, and writes the response's head to
// memory.
// The request being translated is found through a thread-local pointer, because httplib hands its
// handlers nothing of ours.
struct HttpServer::Impl : private httplib::Server {
  struct Job {
    RawRequest* raw;
    Request* request;
    Impl* server;
    std::string body;  // of the response
  };
  static thread_local Job* job;

  HttpServerOptions options;
  std::unique_ptr<HttpFront> front;
  std::vector<RouteEntry> routes;
  std::function<bool(const Request&, Response*)> gate;
  server::Handler fallback;
  std::array<std::unique_ptr<ThreadPool>, 3> lanes;

  mutable Mutex mutex;
  std::map<HttpCounters::Key, HttpCounters::Value> counters GUARDED_BY(mutex);

  Impl();
  using httplib::Server::process_request;

  std::string_view StripPrefix(std::string_view path) const;
  const RouteEntry* Find(std::string_view path, std::string* value) const;
  void Dispatch(RawRequest raw, std::string peer, std::stop_token stop, HttpFront::Reply reply);
  HttpFront::Answer Serve(RawRequest* raw, std::string peer, std::stop_token stop);
  void Handle(const httplib::Request& in, httplib::Response& out,
              const httplib::ContentReader* reader);
  void SetBody(Response&& response, httplib::Response* out);
  void Run(const Job& j, Response* response);
  void Count(const RouteEntry* route, const Response& response, int64_t ns);
};

thread_local HttpServer::Impl::Job* HttpServer::Impl::job = nullptr;

HttpServer::Impl::Impl() {
  // Most requests never reach httplib's routing, which tries a regular expression on each path.
  set_pre_routing_handler([](const httplib::Request& in, httplib::Response& out) {
    if (HasBody(in.method) && in.has_header("Content-Encoding")) return HandlerResponse::Unhandled;
    job->server->Handle(in, out, nullptr);
    return HandlerResponse::Handled;
  });
  const auto compressed = [](const httplib::Request& in, httplib::Response& out,
                             const httplib::ContentReader& reader) {
    job->server->Handle(in, out, &reader);
  };
  const std::string any = "[^]*";  // every path: the routes are ours
  Post(any, compressed);
  Put(any, compressed);
  httplib::Server::Delete(any, compressed);
}

std::string_view HttpServer::Impl::StripPrefix(std::string_view path) const {
  const std::string& prefix = options.route_prefix;
  if (path.substr(0, prefix.size()) != prefix) return {};
  path.remove_prefix(prefix.size());
  return path.empty() ? "/" : path;
}

const RouteEntry* HttpServer::Impl::Find(std::string_view path, std::string* value) const {
  const auto r = std::find_if(routes.begin(), routes.end(),
                              [&](const RouteEntry& e) { return e.Matches(path, value); });
  return r == routes.end() ? nullptr : &*r;
}

// On the connection thread: finds the lane and hands over.
void HttpServer::Impl::Dispatch(RawRequest raw, std::string peer, std::stop_token stop,
                                HttpFront::Reply reply) {
  std::string value;
  const std::string_view path = std::string_view(raw.target).substr(0, raw.target.find('?'));
  const RouteEntry* route = Find(StripPrefix(path), &value);
  const Lane lane = route ? route->lane : Lane::kControl;
  const auto shared = std::make_shared<RawRequest>(std::move(raw));
  const bool taken = lanes[static_cast<size_t>(lane)]->TrySubmit(
      [this, shared, peer = std::move(peer), stop = std::move(stop), reply] {
        reply(Serve(shared.get(), peer, stop));
      });
  if (!taken) {
    reply({"HTTP/1.1 503 Service Unavailable\r\nRetry-After: 1\r\nContent-Length: 0\r\n\r\n",
           {},
           false});
  }
}

HttpFront::Answer HttpServer::Impl::Serve(RawRequest* raw, std::string peer, std::stop_token stop) {
  Request request;
  request.method = raw->method;
  request.peer = std::move(peer);
  request.stop = std::move(stop);
  if (const size_t q = raw->target.find('?'); q != std::string::npos) {
    ParseUrlEncoded(std::string_view(raw->target).substr(q + 1), &request.params);
  }
  Job current{raw, &request, this, {}};
  job = &current;
  MemoryStream stream(HeadForHttplib(*raw), raw->body);
  bool closed = !raw->keep_alive;
  process_request(stream, !raw->keep_alive, closed, nullptr);
  job = nullptr;
  return {stream.TakeHead(), std::move(current.body), closed};
}

// Called by httplib with the path decoded. A plain body is taken as it is; a compressed one is
// inflated by httplib piece by piece, up to the same limit.
void HttpServer::Impl::Handle(const httplib::Request& in, httplib::Response& out,
                              const httplib::ContentReader* reader) {
  const Job& j = *job;
  Request& request = *j.request;
  Response response;
  request.headers = std::move(j.raw->headers);
  request.path = StripPrefix(in.path);
  const size_t limit = options.front.limits.max_body_bytes;
  bool whole = true;
  if (reader != nullptr) {
    whole = (*reader)([&](const char* data, size_t n) {
      if (request.body.size() + n > limit) return false;
      request.body.append(data, n);
      return true;
    });
  } else {
    request.body = std::move(j.raw->body);
  }
  const std::string_view type = request.Header("Content-Type");
  if (type.starts_with("multipart/form-data")) {
    // Behind those of the URL: the first one of a name counts, and the URL's wins.
    ParseMultipart(type, request.body, &request.params);
  } else if (type.starts_with("application/x-www-form-urlencoded")) {
    // Before those of the URL: a form's wins.
    Params form;
    ParseUrlEncoded(request.body, &form);
    request.params.insert(request.params.begin(), std::make_move_iterator(form.begin()),
                          std::make_move_iterator(form.end()));
  }
  if (!whole) {
    response.Text(
        413, "request body does not decompress to at most " + std::to_string(limit) + " bytes\n");
  } else {
    Run(j, &response);
  }
  out.status = response.status;
  for (const auto& [name, value] : response.headers) out.set_header(name, value);
  if (!response.body.empty() || response.status != 204) SetBody(std::move(response), &out);
}

// httplib frames the body but never holds it: that would be two copies, and its gzip is slow.
void HttpServer::Impl::SetBody(Response&& response, httplib::Response* out) {
  constexpr size_t kMinCompressedBytes = 1024;  // what fits into a packet anyway stays as it is
  std::string body = std::move(response.body);
  if (body.size() >= kMinCompressedBytes) {
    const ContentCoding coding = ChooseCoding(job->request->Header("Accept-Encoding"));
    out->set_header("Vary", "Accept-Encoding");
    if (coding != ContentCoding::kIdentity) {
      body = coding == ContentCoding::kZstd ? Zstd(body) : Gzip(body);
      out->set_header("Content-Encoding", std::string(CodingName(coding)));
    }
  }
  out->set_header("Content-Type", response.content_type);
  out->set_header("Content-Length", std::to_string(body.size()));
  if (job->request->method != "HEAD") job->body = std::move(body);
}

void HttpServer::Impl::Run(const Job& j, Response* response) {
  const int64_t begin = Clock::Real()->MonotonicNs();
  Request& request = *j.request;
  // Again, now on the decoded path: an escaped one may lead elsewhere than the bytes that chose
  // the lane.
  const RouteEntry* route = Find(request.path, &request.path_value);
  if (route == nullptr) {
    response->Text(404, "404 page not found\n");
    if (fallback) fallback(request, response);
  } else if (!route->Takes(request.method)) {
    // What a path takes may be asked everywhere.
    const bool asks = request.method == "OPTIONS";
    response->Text(asks ? 200 : 405, asks ? "" : "Method Not Allowed\n");
    response->headers.emplace_back("Allow", route->Allow());
  } else if (!gate || gate(request, response)) {
    route->handler(request, response);
  }
  Count(route, *response, Clock::Real()->MonotonicNs() - begin);
}

void HttpServer::Impl::Count(const RouteEntry* route, const Response& response, int64_t ns) {
  MutexLock lock(mutex);
  HttpCounters::Value& v = counters[{route ? route->pattern : "not_found", response.status}];
  ++v.requests;
  v.bytes += response.body.size();
  v.total_ns += ns;
}

HttpServer::HttpServer(std::unique_ptr<Impl> impl) : impl_(std::move(impl)) {}

HttpServer::~HttpServer() {
  Stop(0);
}

Result<std::unique_ptr<HttpServer>> HttpServer::Create(HttpServerOptions options) {
  auto impl = std::make_unique<Impl>();
  TRY_ASSIGN(impl->front, HttpFront::Listen(options.front));
  impl->options = std::move(options);
  return std::unique_ptr<HttpServer>(new HttpServer(std::move(impl)));
}

void HttpServer::Route(std::string_view methods, std::string_view pattern, Lane lane,
                       Handler handler) {
  RouteEntry r;
  r.methods = " " + std::string(methods) + " ";
  r.pattern = pattern;
  if (const size_t star = pattern.find('*'); star != std::string_view::npos) {
    r.wild = true;
    r.before = pattern.substr(0, star);
    r.after = pattern.substr(star + 1);
  }
  r.lane = lane;
  r.handler = std::move(handler);
  impl_->routes.push_back(std::move(r));
}

void HttpServer::SetGate(std::function<bool(const Request&, Response*)> gate) {
  impl_->gate = std::move(gate);
}

void HttpServer::SetFallback(Handler handler) {
  impl_->fallback = std::move(handler);
}

void HttpServer::Start() {
  const HttpServerOptions& o = impl_->options;
  const auto lane = [&](Lane l, const char* name, int threads, Priority priority) {
    impl_->lanes[static_cast<size_t>(l)] =
        std::make_unique<ThreadPool>(name, threads, o.max_queue, priority);
  };
  lane(Lane::kControl, "http-control", o.control_threads, Priority::kNormal);
  lane(Lane::kQuery, "http-query", o.query_threads, Priority::kQuery);
  lane(Lane::kIngest, "http-ingest", o.ingest_threads, Priority::kNormal);
  impl_->front->Start([impl = impl_.get()](RawRequest raw, std::string peer, std::stop_token stop,
                                           HttpFront::Reply reply) {
    impl->Dispatch(std::move(raw), std::move(peer), std::move(stop), std::move(reply));
  });
}

void HttpServer::Stop(int64_t grace_ms) {
  impl_->front->Stop(grace_ms);
  for (auto& lane : impl_->lanes) lane.reset();
}

std::vector<int> HttpServer::ports() const {
  return impl_->front->ports();
}

HttpCounters HttpServer::counters() const {
  HttpCounters out;
  {
    MutexLock lock(impl_->mutex);
    out.by_handler = impl_->counters;
  }
  out.front = impl_->front->stats();
  return out;
}

}  // namespace deckwatch::server
