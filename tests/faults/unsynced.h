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
void RawWrite(const std::string& path, const std::string& content);

class Unsynced {
 public:
  // Before the content of a file changes.
  void Changing(const std::string& path);
  // A file was made: nothing of its content is on the disk, nor is its name.
  void Created(const std::string& path);
  void MadeFolder(const std::string& path);
  // A file or folder was synced.
  void Synced(const std::string& path);
  // Before a file leaves its name, and before one is renamed over another.
  void Removing(const std::string& path);
  void RemovingFolder(const std::string& path);
  void Renaming(const std::string& from, const std::string& to);
  void Exchanged(const std::string& first, const std::string& second);

  // Takes it all back.
  void Undo();

 private:
  enum class Kind { kCreated, kMadeFolder, kRemoved, kRemovedFolder, kRenamed, kExchanged };
  struct Change {
    Kind kind;
    std::string path, other;
    // Of the file that was removed or renamed over.
    bool had_content = false;
    std::string content;
  };
  // Moves what is known of a path, and of everything below it, to another.
  void Move(const std::string& from, const std::string& to);

  // Contents as on the disk, of files that have changed since; by their present path.
  std::map<std::string, std::string> contents_;
  std::vector<Change> names_;  // in order
};

}  // namespace shoal::file_faults
