// What would be lost if the power went now. Private to file_faults.cc.
//
// Uses the C library's own functions only through `Raw`, so that it is not seen by itself. Not thread
// safe.
#pragma once

#include <map>
#include <string>
#include <vector>

namespace shoal::file_faults {

// Content of a file, and writing it, past the layer.
std::string RawRead(const std::string& path);
void RawWrite(const std::string& path, const std::string& content, bool append = false);

class Unsynced {
 public:
  // What a loss of power would bring back under a name.
  struct Kept {
    enum class Kind { kNothing, kFile, kFolder };
    Kind kind = Kind::kNothing;
    std::string content;
  };
  Kept Durable(const std::string& path) const;

  // Before the content of a file changes.
  void Changing(const std::string& path);

  // After an operation that has succeeded. `kept` is what Durable said before it.
  // A file was made: nothing of its content is on the disk, nor is its name.
  void Created(const std::string& path);
  void MadeFolder(const std::string& path);
  // A file or folder was synced.
  void Synced(const std::string& path);
  void Removed(const std::string& path, Kept kept);
  // `kept`: of what had the name `to`.
  void Renamed(const std::string& from, const std::string& to, Kept kept);
  void Exchanged(const std::string& first, const std::string& second);

  // Takes it all back.
  void Undo();

 private:
  enum class Kind { kCreated, kMadeFolder, kRemoved, kRenamed, kExchanged };
  struct Change {
    Kind kind;
    std::string path, other;
    Kept kept;
  };
  static void Restore(const std::string& path, const Kept& kept);
  // Names everything below a folder as it is called after the folder has another name: contents, and
  // changes of names from `last` back to the first.
  void Move(const std::string& from, const std::string& to, size_t last);

  // Contents as on the disk, of files that have changed since; by their present path.
  std::map<std::string, std::string> contents_;
  std::vector<Change> names_;  // in order
};

}  // namespace shoal::file_faults
