// report.html: a run on one page that needs no other file and no network.
#pragma once

#include <string>
#include <string_view>

#include "coordinator/artifacts/run_facts.h"

namespace shoal {

// The page, as well-formed XHTML. A function of `facts` alone: two calls give equal text. Everything
// that comes from the run is escaped. Thread-safe.
std::string ReportPage(const RunFacts& facts);

// Text for the inside of an element or a quoted attribute: & < > " ' become entities, and control
// characters, which no page may hold, become U+FFFD.
std::string HtmlText(std::string_view text);

}  // namespace shoal
