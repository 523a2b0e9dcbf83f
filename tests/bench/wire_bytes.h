// Bytes that this process has sent over TCP.
#pragma once

#include <cstdint>

namespace shoal {

// Over all of this process' open connections with a port at either end: what TCP has carried, HTTP/2's
// framing included and retransmissions and TCP's own headers not. Thread safe.
int64_t TcpBytesSent(int port);

}  // namespace shoal
