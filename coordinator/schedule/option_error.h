// How a decision refuses an option.
#pragma once

#include "absl/status/status.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/string_view.h"

namespace shoal {

// InvalidArgument: "--NAME VALUE: WHY", as single values are refused (common/options.h).
inline absl::Status OptionError(absl::string_view name, absl::string_view value,
                                absl::string_view why) {
  return absl::InvalidArgumentError(
      absl::StrCat("--", name, " ", value.empty() ? "\"\"" : value, ": ", why));
}

}  // namespace shoal
