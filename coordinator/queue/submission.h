// From a SubmitRunRequest, which may come from anybody, to a run's folder.
//
// The folder is made under a hidden name (.NAME.new) first, whole and synced; the submission counts
// once queue.db has it; then the folder gets its name. So whatever dies in between, a run of the line
// has a folder, and a folder without a place in the line can be removed.
#pragma once

#include <cstddef>
#include <set>
#include <string>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "shoal/v1/queue.pb.h"

namespace shoal {

inline constexpr int kMostTailFiles = 64;
inline constexpr size_t kMostTailBytes = size_t{16} << 20;

// The options as the run will have them. InvalidArgument: a name, token, option or tail file that
// does not hold, options of a build that has more of them, tail files beyond the limits or others than
// those that the options name.
absl::StatusOr<v1::RunOptions> CheckSubmission(const v1::SubmitRunRequest& request);

// Makes RUNS/.NAME.new, replacing one that is there. `options` are those of CheckSubmission.
// InvalidArgument: a tail file that cannot be read.
absl::Status PrepareSubmission(const std::string& runs, const v1::SubmitRunRequest& request,
                               const v1::RunOptions& options);

// Gives the prepared folder its name, durably; nothing where it has it. NotFound: there is neither.
absl::Status PutInPlace(const std::string& runs, const std::string& name);

// Removes a prepared folder; no error where there is none.
void Discard(const std::string& runs, const std::string& name);

// Removes prepared folders of all names but these.
absl::Status DiscardAllBut(const std::string& runs, const std::set<std::string>& names);

}  // namespace shoal
