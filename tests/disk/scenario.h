// One piece of work on a folder, done again and again while every operation of it in turn fails or is
// the last: afterwards the folder holds the old state or the new one, and the work can be done again.
#pragma once

#include <functional>
#include <set>
#include <string>

#include "absl/status/status.h"

namespace shoal {

struct Scenario {
  using Acknowledge = std::function<void()>;

  // Makes the old state in an empty folder.
  std::function<void(const std::string& root)> prepare;
  // Calls `acknowledge` as soon as what it has done is to last, and then leaves as a program does.
  std::function<absl::Status(const std::string& root, const Acknowledge& acknowledge)> work;
  // The work once more, after it may or may not have been done; none: `work`.
  std::function<absl::Status(const std::string& root)> again;
  // Opens what is there as a program does that is started again, and says what it finds.
  std::function<std::string(const std::string& root)> look;
  // States besides the old and the new one that the work may stop at.
  std::set<std::string> between;
  // Rules that hold throughout, besides the fault.
  std::string rules;
  // The files left over after `look` are counted too, after deaths and after errors.
  bool tidy = true;
};

// Every operation in turn fails with ENOSPC, EDQUOT, EIO and EROFS, alone and with all after it.
void TestErrors(const Scenario& scenario);

// Every operation in turn is the last: killed before it, after it, in the middle of it, and with the
// power gone; and the power goes after the end.
void TestDeaths(const Scenario& scenario);

// Every operation in turn fails, alone or with all after it, which to the disk is as if the program had
// ended there; then the same program, or one that is started, does the work once more, is told that it
// is done, and the power goes: what the first attempt left unsynced must not have counted as done.
void TestPowerAfterErrors(const Scenario& scenario);

}  // namespace shoal
