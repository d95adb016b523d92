#include "server/http_socket.h"

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <iterator>
#include <memory>

#include <arpa/inet.h>
#include <netdb.h>
#include <sys/uio.h>
#include <unistd.h>

namespace deckwatch::server {

namespace {

std::string Errno() {
  return std::strerror(errno);
}

// Splits "host:port"; an empty host means every address.
Status SplitAddress(const std::string& address, std::string* host, std::string* port) {
  const size_t colon = address.rfind(':');
  if (colon == std::string::npos) {
    return Status::InvalidArgument("listen address \"" + address + "\": want host:port");
  }
  *host = address.substr(0, colon);
  *port = address.substr(colon + 1);
  if (host->size() > 1 && host->front() == '[' && host->back() == ']') {
    *host = host->substr(1, host->size() - 2);
  }
  return {};
}

}  // namespace

Socket::~Socket() {
  close(fd);
}

Result<int> OpenListener(const std::string& address) {
  std::string host, port;
  TRY(SplitAddress(address, &host, &port));
  addrinfo hints{};
  hints.ai_family = AF_UNSPEC;
  hints.ai_socktype = SOCK_STREAM;
  hints.ai_flags = AI_PASSIVE;
  addrinfo* found = nullptr;
  if (const int rc =
          getaddrinfo(host.empty() ? nullptr : host.c_str(), port.c_str(), &hints, &found);
      rc != 0) {
    return Status::InvalidArgument("listen address \"" + address + "\": " + gai_strerror(rc));
  }
  const std::unique_ptr<addrinfo, decltype(&freeaddrinfo)> guard(found, freeaddrinfo);
  const int fd = socket(found->ai_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
  if (fd < 0) return Status::Io("listen on " + address + ": " + Errno());
  const int on = 1;
  setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
  if (bind(fd, found->ai_addr, found->ai_addrlen) != 0 || listen(fd, 512) != 0) {
    const std::string why = Errno();
    close(fd);
    return Status::Io("listen on " + address + ": " + why);
  }
  return fd;
}

int PortOf(int fd) {
  sockaddr_storage a{};
  socklen_t size = sizeof a;
  getsockname(fd, reinterpret_cast<sockaddr*>(&a), &size);
  return ntohs(a.ss_family == AF_INET6 ? reinterpret_cast<sockaddr_in6*>(&a)->sin6_port
                                       : reinterpret_cast<sockaddr_in*>(&a)->sin_port);
}

std::string PeerName(const sockaddr_storage& a) {
  char text[INET6_ADDRSTRLEN] = "";
  if (a.ss_family == AF_INET6) {
    inet_ntop(AF_INET6, &reinterpret_cast<const sockaddr_in6*>(&a)->sin6_addr, text, sizeof text);
  } else {
    inet_ntop(AF_INET, &reinterpret_cast<const sockaddr_in*>(&a)->sin_addr, text, sizeof text);
  }
  return text;
}

bool IsLoopback(std::string_view peer) {
  return peer.substr(0, 4) == "127." || peer == "::1" || peer.substr(0, 11) == "::ffff:127.";
}

bool SendSome(const Socket& socket, std::string_view head, std::string_view body, size_t* sent) {
  while (*sent < head.size() + body.size()) {
    const size_t in_head = std::min(*sent, head.size()), in_body = *sent - in_head;
    iovec parts[] = {{const_cast<char*>(head.data()) + in_head, head.size() - in_head},
                     {const_cast<char*>(body.data()) + in_body, body.size() - in_body}};
    msghdr message{};
    message.msg_iov = parts;
    message.msg_iovlen = std::size(parts);
    const ssize_t n = sendmsg(socket.fd, &message, MSG_NOSIGNAL);
    if (n < 0 && errno == EINTR) continue;
    if (n < 0) return errno == EAGAIN;
    *sent += static_cast<size_t>(n);
  }
  return true;
}

}  // namespace deckwatch::server
