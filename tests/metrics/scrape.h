// A scrape of /metrics on this machine, for tests.
#pragma once

#include <arpa/inet.h>
#include <gtest/gtest.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <unistd.h>

#include <cstdint>
#include <optional>
#include <string>

namespace shoal {

inline sockaddr_in LoopbackAddress(int port) {
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_port = htons(static_cast<uint16_t>(port));
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  return address;
}

// The port that the system gives for 0, or this one if it is free; 0: it is not.
inline int Bindable(int port) {
  const int fd = socket(AF_INET, SOCK_STREAM, 0);
  sockaddr_in address = LoopbackAddress(port);
  socklen_t size = sizeof(address);
  const bool bound = bind(fd, reinterpret_cast<sockaddr*>(&address), size) == 0 &&
                     getsockname(fd, reinterpret_cast<sockaddr*>(&address), &size) == 0;
  close(fd);
  return bound ? ntohs(address.sin_port) : 0;
}

// The first of so many ports in a row that are free now.
inline int FreePorts(int count) {
  for (int attempt = 0; attempt < 100; ++attempt) {
    const int first = Bindable(0);
    int free = 1;
    while (free < count && first + free <= 65535 && Bindable(first + free) != 0) ++free;
    if (first != 0 && free == count) return first;
  }
  ADD_FAILURE() << "no " << count << " free ports in a row";
  return 0;
}

// What is served there; nothing where nobody answers with success.
inline std::optional<std::string> Scrape(int port) {
  const int fd = socket(AF_INET, SOCK_STREAM, 0);
  const timeval patience{30, 0};
  setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof(patience));
  const sockaddr_in address = LoopbackAddress(port);
  const std::string request = "GET /metrics HTTP/1.0\r\nHost: localhost\r\n\r\n";
  std::string text;
  if (connect(fd, reinterpret_cast<const sockaddr*>(&address), sizeof(address)) == 0 &&
      send(fd, request.data(), request.size(), MSG_NOSIGNAL) == static_cast<ssize_t>(request.size())) {
    char buffer[4096];
    for (ssize_t n; (n = read(fd, buffer, sizeof(buffer))) > 0;) text.append(buffer, n);
  }
  close(fd);
  const size_t head = text.find("\r\n\r\n");
  if (head == std::string::npos || text.find(" 200 ") > text.find("\r\n")) return std::nullopt;
  return text.substr(head + 4);
}

}  // namespace shoal
