#pragma once

#include <string>

#include "engine/http/http_server.h"

namespace anabranch {

// The answers about the past, from STATE_DIR/history.db: of a process that runs, and of `anabranch ui`.
// ?before= (milliseconds since 1970), ?limit=
HttpResponse RunsFromHistory(const std::string& state_dir, const HttpRequest& request);
HttpResponse RunFromHistory(const std::string& state_dir, const std::string& id);
// ?stage=, ?metric=, ?from= (milliseconds since 1970)
HttpResponse SeriesFromHistory(const std::string& state_dir, const HttpRequest& request);

}  // namespace anabranch
