// What a row of run.db must still be when it is read again. SQLite notices a damaged page only where
// its structure suffers; a flipped bit in a value passes. Private to this folder.
#pragma once

#include <initializer_list>
#include <string>

#include "absl/strings/str_cat.h"
#include "absl/strings/string_view.h"
#include "common/hash.h"

namespace shoal {

// XXH3-128 (hex) over the fields, each preceded by its length, so that no two lists of fields are
// alike.
inline std::string Digest(std::initializer_list<absl::string_view> fields) {
  std::string bytes;
  for (absl::string_view field : fields) absl::StrAppend(&bytes, field.size(), ":", field);
  return Xxh3_128Hex(bytes);
}

}  // namespace shoal
