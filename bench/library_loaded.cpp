// SPDX-License-Identifier: MIT
#include "library.h"

#include <dlfcn.h>
#include <sys/mman.h>
#include <unistd.h>

#include <fstream>

#include "usage.h"

namespace bench
{

namespace
{

// A copy of a file in memory. The same code from two files can differ by a fifth in speed, by how
// its pages came into memory: copies that are made alike do not. It stays open, as the library
// does: dlopen would take the next copy of the same name for this one.
class Copy
{
  public:
    explicit Copy(const std::string &path) : descriptor(memfd_create("library", MFD_CLOEXEC))
    {
        std::ifstream in(path, std::ios::binary);
        std::ofstream out(name(), std::ios::binary);
        if (descriptor < 0 || !in || !(out << in.rdbuf()))
            throw UsageError("cannot load the library " + path);
    }
    std::string name() const
    {
        return "/proc/self/fd/" + std::to_string(descriptor);
    }

  private:
    int descriptor;
};

class Symbols
{
  public:
    explicit Symbols(const std::string &path) : from(path), copy(path)
    {
        handle = dlopen(copy.name().c_str(), RTLD_NOW | RTLD_LOCAL);
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
    Copy copy;
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
