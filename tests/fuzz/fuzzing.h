// What the fuzz targets share: properties that end a target when they do not hold, and inputs made
// of several messages.
#pragma once

#include <google/protobuf/message_lite.h>
#include <google/protobuf/stubs/logging.h>

#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/status.h"

namespace shoal::fuzzing {

// libFuzzer keeps the input of a process that aborts.
inline void Require(bool holds, std::string_view what) {
  if (holds) return;
  std::fprintf(stderr, "this must hold and does not: %.*s\n", static_cast<int>(what.size()),
               what.data());
  std::abort();
}

inline void RequireOk(const absl::Status& status, std::string_view what) {
  if (status.ok()) return;
  Require(false, std::string(what) + ": " + std::string(status.message()));
}

// A refusal is for people: it has words.
inline void RequireWords(const absl::Status& status) {
  Require(status.ok() || !status.message().empty(), "a refusal says why");
}

// The part of an input that stands for one message, behind its length in two bytes (little-endian).
// A length beyond the end takes what is left, so that inputs stay useful however they are cut.
inline std::string_view TakeFrame(std::string_view* bytes) {
  if (bytes->size() < 2) {
    *bytes = {};
    return {};
  }
  const size_t length = static_cast<uint8_t>((*bytes)[0]) | static_cast<uint8_t>((*bytes)[1]) << 8;
  const std::string_view frame = bytes->substr(2, length);
  bytes->remove_prefix(2 + frame.size());
  return frame;
}

// The inverse, for seeds: at most 65535 bytes.
inline std::string MakeFrame(std::string_view bytes) {
  Require(bytes.size() <= 0xffff, "a frame holds at most 65535 bytes");
  return std::string{static_cast<char>(bytes.size() & 0xff), static_cast<char>(bytes.size() >> 8)} +
         std::string(bytes);
}

// The first byte of an input chooses what is done with the others; 0 where there is none.
inline uint8_t TakeByte(std::string_view* bytes) {
  if (bytes->empty()) return 0;
  const uint8_t byte = static_cast<uint8_t>(bytes->front());
  bytes->remove_prefix(1);
  return byte;
}

inline bool ParseMessage(std::string_view bytes, google::protobuf::MessageLite* message) {
  // Protobuf says on stderr what it thinks of bytes that are no text; here that is noise.
  static google::protobuf::LogHandler* const loud = google::protobuf::SetLogHandler(nullptr);
  (void)loud;
  return message->ParseFromArray(bytes.data(), static_cast<int>(bytes.size()));
}

inline std::string_view Input(const uint8_t* data, size_t size) {
  return {reinterpret_cast<const char*>(data), size};
}

}  // namespace shoal::fuzzing
