// What all code that uses LibTorch's operations runs in. For the engines: includes LibTorch's
// headers.
#pragma once

#include <ATen/Parallel.h>
#include <c10/core/InferenceMode.h>
#include <c10/util/Exception.h>

#include <exception>

#include "absl/status/status.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/string_view.h"

namespace shoal {

// LibTorch's and OpenMP's own threads at 1 in the calling thread. Asking first makes LibTorch do
// what it does at a thread's first use, which would undo the setting later; and setting only what
// differs spares another pool of its own from being rebuilt.
inline void UseOneTorchThread() {
  if (at::get_num_threads() != 1) at::set_num_threads(1);
}

// Runs `code` with one thread, no gradients recorded and nothing thrown out: what is thrown becomes
// kInternal, "`what`: ...".
template <typename Code>
absl::Status RunTorch(absl::string_view what, Code&& code) {
  try {
    UseOneTorchThread();
    c10::InferenceMode no_gradients;
    code();
    return absl::OkStatus();
  } catch (const c10::Error& error) {
    return absl::InternalError(absl::StrCat(what, ": ", error.what_without_backtrace()));
  } catch (const std::exception& error) {
    return absl::InternalError(absl::StrCat(what, ": ", error.what()));
  }
}

}  // namespace shoal
