#pragma once

#include <string>

#include "engine/http/http_server.h"

namespace anabranch {

// A file of the page: "/" is index.html, "/ui/PATH" the others. `folder`: where the files are read from; empty: those
// within the program. 404 for what there is not; 304 where the browser has it.
HttpResponse PageFile(const HttpRequest& request, const std::string& folder);

}  // namespace anabranch
