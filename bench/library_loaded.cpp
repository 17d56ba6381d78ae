// SPDX-License-Identifier: MIT
#include "library.h"

#include <dlfcn.h>

#include "usage.h"

namespace bench
{

namespace
{

class Symbols
{
  public:
    explicit Symbols(const std::string &path) : from(path)
    {
        // Without a slash, the name would be looked for among the libraries that are loaded.
        const std::string file = path.find('/') == std::string::npos ? "./" + path : path;
        handle = dlopen(file.c_str(), RTLD_NOW | RTLD_LOCAL);
        if (!handle)
            throw UsageError(std::string("cannot load a library: ") + dlerror());
    }

    template <typename Function> void get(const char *name, Function &function) const
    {
        function = reinterpret_cast<Function>(dlsym(handle, name));
        if (!function)
            throw UsageError(from + " has no " + name);
    }

  private:
    std::string from;
    void *handle;
};

} // namespace

Library load_library(const std::string &path)
{
    const Symbols symbols(path);
    Library library;
    symbols.get("gn_last_error", library.last_error);
    symbols.get("gn_desc_create", library.desc_create);
    symbols.get("gn_desc_destroy", library.desc_destroy);
    symbols.get("gn_desc_set_groups", library.desc_set_groups);
    symbols.get("gn_desc_set_layout", library.desc_set_layout);
    symbols.get("gn_desc_set_threads", library.desc_set_threads);
    symbols.get("gn_desc_set_isa", library.desc_set_isa);
    symbols.get("gn_desc_set_types", library.desc_set_types);
    symbols.get("gn_desc_set_activation", library.desc_set_activation);
    symbols.get("gn_plan_create", library.plan_create);
    symbols.get("gn_plan_destroy", library.plan_destroy);
    symbols.get("gn_plan_describe", library.plan_describe);
    symbols.get("gn_forward", library.forward);
    symbols.get("gn_backward", library.backward);
    return library;
}

} // namespace bench
