#include "server/http_front.h"

#include <algorithm>
#include <atomic>
#include <cerrno>
#include <cstring>
#include <thread>
#include <unordered_map>
#include <unordered_set>

#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/executor.h"
#include "base/log.h"
#include "base/mutex.h"
#include "server/http_socket.h"

namespace deckwatch::server {

namespace {

constexpr int64_t kLingerMs = 2'000;
constexpr uint64_t kWakeId = 0;
constexpr uint64_t kFirstListenerId = 1;
constexpr uint64_t kFirstConnectionId = 1024;

struct Connection {
  explicit Connection(const HttpLimits& limits) : framer(limits) {}
  std::shared_ptr<const Socket> socket;
  uint32_t events = 0;  // that epoll watches for
  std::string peer;
  std::string in;            // received, not yet taken by the framer
  HttpFront::Answer answer;  // its first `sent` bytes are
  size_t sent = 0;
  RequestFramer framer;
  std::stop_source stop;
  int64_t deadline_ms = 0;
  size_t buffered = 0;       // bytes read and not yet handed over
  bool handling = false;     // a worker has the request; nothing is read meanwhile
  bool close_after = false;  // once `out` is sent
  bool lingering = false;    // answered and half closed; what still comes is thrown away
};

struct Finished {
  uint64_t id;
  HttpFront::Answer answer;  // empty once sent
  size_t sent;
};

}  // namespace

// Everything but the members below the lock belongs to the connection thread.
struct HttpFront::Impl : std::enable_shared_from_this<HttpFront::Impl> {
  FrontOptions options;
  Sink sink;
  std::vector<int> listeners;
  std::vector<int> ports;
  int epoll_fd = -1;
  int wake_fd = -1;
  int spare_fd = -1;
  std::unordered_map<uint64_t, Connection> connections;
  std::unordered_map<std::string, size_t> per_peer;
  uint64_t next_id = kFirstConnectionId;
  std::vector<char> received = std::vector<char>(64 << 10);  // by one read
  size_t buffered_bytes = 0;
  bool draining = false;
  std::atomic<uint64_t> accepted{0}, refused{0}, bad{0}, timed_out{0}, open{0};

  Mutex mutex;
  std::vector<Finished> finished GUARDED_BY(mutex);
  std::unordered_set<uint64_t> awaited GUARDED_BY(mutex);  // whose answer has to wake the thread
  int64_t drain_until_ms GUARDED_BY(mutex) = -1;           // -1: not stopping

  std::jthread thread;  // last: it stops before the rest goes

  ~Impl() {
    for (const int fd : listeners) close(fd);
    if (epoll_fd >= 0) close(epoll_fd);
    if (wake_fd >= 0) close(wake_fd);
    if (spare_fd >= 0) close(spare_fd);
  }

  int64_t Now() const { return options.clock->MonotonicMs(); }

  void Wake() {
    const uint64_t one = 1;
    [[maybe_unused]] const ssize_t n = write(wake_fd, &one, sizeof one);
  }
  void TakeWake() {
    uint64_t count;
    [[maybe_unused]] const ssize_t n = read(wake_fd, &count, sizeof count);
  }

  void Watch(int op, int fd, uint64_t id, uint32_t events) {
    epoll_event e{};
    e.events = events;
    e.data.u64 = id;
    epoll_ctl(epoll_fd, op, fd, &e);
  }
  void SetEvents(uint64_t id, Connection* c, uint32_t events) {
    if (c->events != events) Watch(EPOLL_CTL_MOD, c->socket->fd, id, events);
    c->events = events;
  }

  void Loop();
  bool DrainDone();
  int WaitMs() const;
  void Accept(int listener);
  void RefuseOne(int listener);
  void OnEvent(uint64_t id, uint32_t events);
  void ReadSome(uint64_t id, Connection* c);
  void Advance(uint64_t id, Connection* c);
  void HandOver(uint64_t id, Connection* c);
  void Finish(uint64_t id, const Socket& socket, Answer answer);
  bool AwaitAnswer(uint64_t id);
  void AnswerError(uint64_t id, Connection* c, int status, std::string_view text);
  void Flush(uint64_t id, Connection* c);
  void DeliverFinished();
  void DropLate();
  void Drop(uint64_t id);
};

void HttpFront::Impl::Loop() {
  epoll_event events[64];
  while (!DrainDone()) {
    const int n = epoll_wait(epoll_fd, events, 64, WaitMs());
    // The call to wake is taken before what it tells of: one that comes later stays for the next
    // turn.
    for (int i = 0; i < n; ++i) {
      if (events[i].data.u64 == kWakeId) TakeWake();
    }
    DeliverFinished();
    for (int i = 0; i < n; ++i) {
      const uint64_t id = events[i].data.u64;
      if (id == kWakeId) continue;
      if (id < kFirstConnectionId) {
        Accept(listeners[id - kFirstListenerId]);
      } else {
        OnEvent(id, events[i].events);
      }
    }
    DropLate();
  }
  while (!connections.empty()) Drop(connections.begin()->first);
}

// Once a stop is asked: closes listeners and idle connections; true when nothing is left to wait
// for.
bool HttpFront::Impl::DrainDone() {
  int64_t until;
  {
    MutexLock lock(mutex);
    until = drain_until_ms;
  }
  if (until < 0) return false;
  if (!draining) {
    draining = true;
    for (const int fd : listeners) close(fd);  // from here on, connecting is refused at once
    listeners.clear();
  }
  std::vector<uint64_t> idle;
  for (const auto& [id, c] : connections) {
    if (!c.handling && c.answer.head.empty()) idle.push_back(id);
  }
  for (const uint64_t id : idle) Drop(id);
  return connections.empty() || Now() >= until;
}

int HttpFront::Impl::WaitMs() const {
  if (draining) return 10;
  if (connections.empty()) return -1;
  int64_t next = INT64_MAX;
  for (const auto& [id, c] : connections) next = std::min(next, c.deadline_ms);
  return static_cast<int>(std::clamp<int64_t>(next - Now(), 0, 60'000));
}

void HttpFront::Impl::Accept(int listener) {
  for (;;) {
    sockaddr_storage address{};
    socklen_t size = sizeof address;
    const int fd = accept4(listener, reinterpret_cast<sockaddr*>(&address), &size,
                           SOCK_NONBLOCK | SOCK_CLOEXEC);
    if (fd < 0 && (errno == EMFILE || errno == ENFILE) && spare_fd >= 0) {
      RefuseOne(listener);
      continue;
    }
    if (fd < 0) return;
    std::string peer = PeerName(address);
    size_t& of_peer = per_peer[peer];
    if (connections.size() >= options.max_connections ||
        (of_peer >= options.max_connections_per_peer && !IsLoopback(peer))) {
      ++refused;
      if (of_peer == 0) per_peer.erase(peer);
      close(fd);
      continue;
    }
    ++of_peer;
    const int on = 1;
    setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
    const uint64_t id = next_id++;
    Connection& c = connections.emplace(id, Connection(options.limits)).first->second;
    c.socket = std::make_shared<const Socket>(fd);
    c.events = EPOLLIN | EPOLLRDHUP;
    c.peer = std::move(peer);
    c.deadline_ms = Now() + options.head_timeout_ms;
    Watch(EPOLL_CTL_ADD, fd, id, c.events);
    ++accepted, ++open;
  }
}

// Out of file descriptors: one that was set aside lets a waiting connection be taken and closed;
// left waiting, it would wake the loop for ever.
void HttpFront::Impl::RefuseOne(int listener) {
  close(spare_fd);
  const int fd = accept4(listener, nullptr, nullptr, SOCK_CLOEXEC);
  if (fd >= 0) close(fd);
  spare_fd = eventfd(0, EFD_CLOEXEC);
  ++refused;
}

void HttpFront::Impl::OnEvent(uint64_t id, uint32_t events) {
  const auto it = connections.find(id);
  if (it == connections.end()) return;
  Connection* c = &it->second;
  if (events & (EPOLLERR | EPOLLHUP)) return Drop(id);
  if (c->handling) {
    // Nothing is read while a worker is busy, so only the end of the connection is of interest.
    if (!AwaitAnswer(id)) return;
    const bool ended = (events & EPOLLRDHUP) != 0;
    if (ended) c->stop.request_stop();
    return SetEvents(id, c, ended ? 0u : static_cast<uint32_t>(EPOLLRDHUP));
  }
  if (events & EPOLLOUT) return Flush(id, c);
  if (events & (EPOLLIN | EPOLLRDHUP)) ReadSome(id, c);
}

void HttpFront::Impl::ReadSome(uint64_t id, Connection* c) {
  const ssize_t n = read(c->socket->fd, received.data(), received.size());
  if (n == 0 || (n < 0 && errno != EAGAIN && errno != EINTR)) return Drop(id);
  if (n < 0) return;
  if (c->lingering) return;
  if (c->in.empty() && c->framer.idle()) c->deadline_ms = Now() + options.head_timeout_ms;
  c->in.append(received.data(), static_cast<size_t>(n));
  buffered_bytes += static_cast<size_t>(n);
  c->buffered += static_cast<size_t>(n);
  if (buffered_bytes > options.max_buffered_bytes) {
    return AnswerError(id, c, 503, "too many requests in flight");
  }
  Advance(id, c);
}

// Frames what has been received; hands over at most one request at a time, so that answers of one
// connection keep their order.
void HttpFront::Impl::Advance(uint64_t id, Connection* c) {
  const bool had_head = !c->framer.idle();
  const RequestFramer::State state = c->framer.Feed(&c->in);
  if (state == RequestFramer::State::kBad) {
    ++bad;
    return AnswerError(id, c, c->framer.error_status(), c->framer.error());
  }
  if (state == RequestFramer::State::kDone) return HandOver(id, c);
  if (!had_head && !c->framer.idle()) c->deadline_ms = Now() + options.request_timeout_ms;
  if (c->framer.TakeExpectContinue()) {
    c->answer.head = "HTTP/1.1 100 Continue\r\n\r\n";
    Flush(id, c);
  }
}

void HttpFront::Impl::HandOver(uint64_t id, Connection* c) {
  buffered_bytes -= c->buffered - c->in.size();
  c->buffered = c->in.size();
  c->handling = true;
  c->deadline_ms = INT64_MAX;  // the handlers' own deadlines rule
  c->stop = std::stop_source();
  if (!c->in.empty()) AwaitAnswer(id);  // pipelined: no event of the socket will tell of it
  sink(c->framer.Take(), c->peer, c->stop.get_token(),
       [self = weak_from_this(), id, socket = c->socket](Answer answer) {
         if (const auto impl = self.lock()) impl->Finish(id, *socket, std::move(answer));
       });
}

// On a worker's thread. The connection thread has to know at once of what is left to be done, and
// where the peer already wants something else; otherwise it learns when it next wakes.
void HttpFront::Impl::Finish(uint64_t id, const Socket& socket, Answer answer) {
  size_t sent = 0;
  const bool whole = SendSome(socket, answer.head, answer.body, &sent) &&
                     sent == answer.head.size() + answer.body.size();
  if (whole) answer = {{}, {}, answer.close}, sent = 0;
  bool wake = !whole || answer.close;
  {
    MutexLock lock(mutex);
    finished.push_back({id, std::move(answer), sent});
    wake |= awaited.erase(id) > 0;
  }
  if (wake) Wake();
}

// False when the answer of a busy connection has come meanwhile. Else it will wake this thread.
bool HttpFront::Impl::AwaitAnswer(uint64_t id) {
  MutexLock lock(mutex);
  for (const Finished& f : finished) {
    if (f.id == id) return false;
  }
  awaited.insert(id);
  return true;
}

void HttpFront::Impl::DeliverFinished() {
  std::vector<Finished> done;
  {
    MutexLock lock(mutex);
    done.swap(finished);
  }
  for (Finished& f : done) {
    const auto it = connections.find(f.id);
    if (it == connections.end()) continue;
    Connection* c = &it->second;
    c->handling = false;
    c->close_after = f.answer.close || draining;
    c->answer = std::move(f.answer);
    c->sent = f.sent;
    c->deadline_ms = Now() + options.request_timeout_ms;
    Flush(f.id, c);
  }
}

// Answered by the front itself, because no handler may see such a request.
void HttpFront::Impl::AnswerError(uint64_t id, Connection* c, int status, std::string_view text) {
  c->answer.head = "HTTP/1.1 " + std::to_string(status) +
                   " Refused\r\nContent-Type: text/plain\r\n" +
                   "Content-Length: " + std::to_string(text.size() + 1) +
                   "\r\nConnection: close\r\n\r\n" + std::string(text) + "\n";
  c->close_after = true;
  c->deadline_ms = Now() + options.head_timeout_ms;
  Flush(id, c);
}

void HttpFront::Impl::Flush(uint64_t id, Connection* c) {
  if (!SendSome(*c->socket, c->answer.head, c->answer.body, &c->sent)) return Drop(id);
  if (c->sent < c->answer.head.size() + c->answer.body.size()) return SetEvents(id, c, EPOLLOUT);
  c->answer = {};
  c->sent = 0;
  if (c->close_after) {
    // The peer may still be sending what was refused; closing now would make the kernel reset the
    // connection and the answer would be lost with it.
    shutdown(c->socket->fd, SHUT_WR);
    c->lingering = true;
    c->deadline_ms = Now() + kLingerMs;
  }
  SetEvents(id, c, EPOLLIN | EPOLLRDHUP);
  if (c->lingering || !c->framer.idle())
    return;  // or "100 Continue" was sent, the body is still to come
  c->deadline_ms = Now() + options.idle_timeout_ms;
  if (!c->in.empty()) Advance(id, c);  // pipelined
}

void HttpFront::Impl::DropLate() {
  const int64_t now = Now();
  std::vector<uint64_t> late;
  for (const auto& [id, c] : connections) {
    if (c.deadline_ms <= now) late.push_back(id);
  }
  timed_out += late.size();  // before the peer can notice
  for (const uint64_t id : late) Drop(id);
}

void HttpFront::Impl::Drop(uint64_t id) {
  const auto it = connections.find(id);
  if (it == connections.end()) return;
  it->second.stop.request_stop();
  buffered_bytes -= it->second.buffered;
  // A worker may still hold the socket: it shall neither be heard of again nor send.
  Watch(EPOLL_CTL_DEL, it->second.socket->fd, id, 0);
  if (it->second.handling) shutdown(it->second.socket->fd, SHUT_RDWR);
  const auto peer = per_peer.find(it->second.peer);
  if (--peer->second == 0) per_peer.erase(peer);
  connections.erase(it);
  --open;
}

HttpFront::HttpFront(std::shared_ptr<Impl> impl) : impl_(std::move(impl)) {}

HttpFront::~HttpFront() {
  Stop(0);
}

Result<std::unique_ptr<HttpFront>> HttpFront::Listen(FrontOptions options) {
  auto impl = std::make_shared<Impl>();
  for (const std::string& address : options.listen_addresses) {
    TRY_ASSIGN(const int fd, OpenListener(address));
    impl->listeners.push_back(fd);
    impl->ports.push_back(PortOf(fd));
  }
  impl->options = std::move(options);
  impl->epoll_fd = epoll_create1(EPOLL_CLOEXEC);
  impl->wake_fd = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
  impl->spare_fd = eventfd(0, EFD_CLOEXEC);
  if (impl->epoll_fd < 0 || impl->wake_fd < 0)
    return Status::Io("http server: " + std::string(std::strerror(errno)));
  return std::unique_ptr<HttpFront>(new HttpFront(std::move(impl)));
}

void HttpFront::Start(Sink sink) {
  impl_->sink = std::move(sink);
  impl_->Watch(EPOLL_CTL_ADD, impl_->wake_fd, kWakeId, EPOLLIN);
  for (size_t i = 0; i < impl_->listeners.size(); ++i) {
    impl_->Watch(EPOLL_CTL_ADD, impl_->listeners[i], kFirstListenerId + i, EPOLLIN);
  }
  impl_->thread =
      StartThread("http-front", [impl = impl_.get()](std::stop_token) { impl->Loop(); });
}

void HttpFront::Stop(int64_t grace_ms) {
  if (!impl_->thread.joinable()) return;
  {
    MutexLock lock(impl_->mutex);
    impl_->drain_until_ms = impl_->Now() + grace_ms;
  }
  impl_->Wake();
  impl_->thread.join();
}

std::vector<int> HttpFront::ports() const {
  return impl_->ports;
}

FrontStats HttpFront::stats() const {
  return {impl_->accepted, impl_->refused, impl_->bad, impl_->timed_out, impl_->open};
}

}  // namespace deckwatch::server
