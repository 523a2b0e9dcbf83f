// Writing views: whole lines, whole files, and no waiting for the disk. Private to this folder.
//
// What common/files.h does for files that must survive a crash costs several syncs an iteration,
// which is more than a short iteration takes. Views survive by being rebuilt from run.db instead: a
// reader never sees half of a file or of a line that was being written, but after a loss of power a
// file may be old or short until the run is opened again. SyncFile makes one durable.
//
// Errors name the path and the system's reason; codes follow errno. One writer at a time.
#pragma once

#include <string>

#include "absl/status/status.h"

namespace shoal {

// Appends the line and a newline by one write. The file is created if need be.
absl::Status AppendLine(const std::string& path, const std::string& line);
// The same without a newline.
absl::Status AppendBytes(const std::string& path, const std::string& bytes);

// Replaces the file by one with this content, through a hidden temporary file in the same folder.
absl::Status ReplaceFile(const std::string& path, const std::string& content);

// Waits until the content of the file is on the disk.
absl::Status SyncFile(const std::string& path);

}  // namespace shoal
