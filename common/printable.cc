#include "common/printable.h"

#include <cstdint>

#include "absl/strings/str_format.h"

namespace shoal {
namespace {

struct Character {
  uint32_t code = 0;
  size_t bytes = 0;  // 0: not UTF-8.
};

// The first character of a text that is not empty.
Character First(std::string_view text) {
  const auto byte = [&](size_t i) { return static_cast<unsigned char>(text[i]); };
  const unsigned char lead = byte(0);
  if (lead < 0x80) return {lead, 1};
  const size_t bytes = lead >= 0xf0 ? 4 : lead >= 0xe0 ? 3 : 2;
  if (lead < 0xc2 || lead > 0xf4 || text.size() < bytes) return {};
  uint32_t code = lead & (0x7fu >> bytes);
  for (size_t i = 1; i < bytes; ++i) {
    if ((byte(i) & 0xc0) != 0x80) return {};
    code = code << 6 | (byte(i) & 0x3f);
  }
  constexpr uint32_t kSmallest[] = {0, 0, 0x80, 0x800, 0x10000};
  const bool surrogate = code >= 0xd800 && code <= 0xdfff;
  if (code < kSmallest[bytes] || code > 0x10ffff || surrogate) return {};
  return {code, bytes};
}

bool Shows(uint32_t code) {
  if (code < 0x20 || (code >= 0x7f && code < 0xa0)) return false;
  // Zero width and direction; separators and embeddings; invisible operators and isolates; the byte
  // order mark and what annotates; tags.
  const bool hidden = code == 0xad || code == 0x61c || (code >= 0x200b && code <= 0x200f) ||
                      (code >= 0x2028 && code <= 0x202e) || (code >= 0x2060 && code <= 0x206f) ||
                      code == 0xfeff || (code >= 0xfff9 && code <= 0xfffb) ||
                      (code >= 0xe0000 && code <= 0xe007f);
  return !hidden;
}

std::string Escaped(std::string_view bytes) {
  if (bytes == "\n") return "\\n";
  if (bytes == "\r") return "\\r";
  if (bytes == "\t") return "\\t";
  std::string escaped;
  for (const unsigned char byte : bytes) absl::StrAppendFormat(&escaped, "\\%03o", byte);
  return escaped;
}

}  // namespace

bool IsPrintable(std::string_view text) {
  while (!text.empty()) {
    const Character character = First(text);
    if (character.bytes == 0 || !Shows(character.code)) return false;
    text.remove_prefix(character.bytes);
  }
  return true;
}

std::string Printable(std::string_view text, size_t most) {
  constexpr std::string_view kCut = "...";
  std::string result;
  // Where the text is cut if it turns out too long.
  size_t cut = 0;
  while (!text.empty()) {
    const Character character = First(text);
    const std::string_view bytes = text.substr(0, character.bytes == 0 ? 1 : character.bytes);
    const bool shows = character.bytes != 0 && Shows(character.code);
    const std::string written = shows ? std::string(bytes) : Escaped(bytes);
    if (result.size() + written.size() > most) {
      result.resize(cut);
      if (most >= kCut.size()) result.append(kCut);
      return result;
    }
    result.append(written);
    if (result.size() + kCut.size() <= most) cut = result.size();
    text.remove_prefix(bytes.size());
  }
  return result;
}

}  // namespace shoal
