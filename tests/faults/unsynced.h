// What would be lost if the power went now. Private to file_faults.cc.
//
// Uses the C library's own functions only through `Raw`, so that it is not seen by itself. Not thread
// safe.
#pragma once

#include <cstddef>
#include <cstdint>
#include <map>
#include <set>
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
  // These bytes of it have changed, or all there were.
  void Changed(const std::string& path, int64_t offset, size_t bytes);
  void ChangedAll(const std::string& path);

  // After an operation that has succeeded. `kept` is what Durable said before it.
  // A file was made: nothing of its content is on the disk, nor is its name.
  void Created(const std::string& path);
  void MadeFolder(const std::string& path);
  // A file or folder was synced.
  void Synced(const std::string& path);
  // Or could not be: what has changed of a file since its last sync is lost, and later syncs that
  // succeed do not bring it back, as the system then takes those pages for written.
  void SyncFailed(const std::string& path);
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

  // A file that has changed since its last sync.
  struct Content {
    std::string durable;  // As on the disk.
    std::set<int64_t> dirty;  // Pages that a sync would write.
    bool lost = false;        // A sync has failed.
  };
  // By present path.
  std::map<std::string, Content> contents_;
  std::vector<Change> names_;  // in order
};

}  // namespace shoal::file_faults
