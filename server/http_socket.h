// What the HTTP front asks of the system's sockets.
#pragma once

#include <string>
#include <string_view>

#include <sys/socket.h>

#include "base/status.h"

namespace deckwatch::server {

// Closed when neither the connection nor a worker that answers needs it any more.
struct Socket {
  explicit Socket(int descriptor) : fd(descriptor) {}
  ~Socket();
  Socket(const Socket&) = delete;
  Socket& operator=(const Socket&) = delete;
  const int fd;
};

// A listening socket at "host:port", ":port" or "[::]:port". The caller owns the descriptor.
Result<int> OpenListener(const std::string& address);
int PortOf(int fd);

std::string PeerName(const sockaddr_storage& address);
bool IsLoopback(std::string_view peer);

// Sends what the socket takes of head and body, of which `*sent` bytes went before. False when the
// peer is gone.
bool SendSome(const Socket& socket, std::string_view head, std::string_view body, size_t* sent);

}  // namespace deckwatch::server
