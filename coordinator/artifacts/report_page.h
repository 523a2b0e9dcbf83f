// report.html: a run on one page that needs no other file and no network.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "coordinator/artifacts/report_videos.h"
#include "coordinator/artifacts/run_facts.h"

namespace shoal {

// The page, as well-formed XHTML. A function of its arguments alone: two calls give equal text.
// Everything that comes from the run is escaped. Thread-safe.
std::string ReportPage(const RunFacts& facts, const std::vector<ReportVideo>& videos = {});

// Text for the inside of an element or a quoted attribute: & < > " ' become entities, and control
// characters, which no page may hold, become U+FFFD.
std::string HtmlText(std::string_view text);

// A row of a table, and a table in a frame that scrolls by itself where it is too wide. Cells are HTML.
std::string HtmlRow(const std::vector<std::string>& cells, const char* tag = "td");
std::string HtmlTable(const std::vector<std::string>& head, const std::string& rows);

// What all pages share: <style>'s content, for a desk and for a phone.
extern const char* const kPageStyle;

}  // namespace shoal
