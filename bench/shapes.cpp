// SPDX-License-Identifier: MIT
#include "shapes.h"

#include <charconv>
#include <fstream>
#include <sstream>

#include "usage.h"

namespace bench
{

// No machine has memory for more floats than this. The limit keeps products from overflowing.
static constexpr int64_t MOST_ELEMENTS = int64_t{1} << 40;
static constexpr size_t MOST_DIMS = 8;

static int64_t product(std::vector<int64_t>::const_iterator first,
                       std::vector<int64_t>::const_iterator last)
{
    int64_t result = 1;
    for (; first != last; ++first)
        result *= *first;
    return result;
}

int64_t Shape::elements() const
{
    return product(dims.begin(), dims.end());
}

int64_t Shape::spatial() const
{
    return product(dims.begin() + 2, dims.end());
}

std::string Shape::name() const
{
    std::string text = std::to_string(dims[0]);
    for (size_t i = 1; i < dims.size(); i++)
        text += 'x' + std::to_string(dims[i]);
    return text + '/' + std::to_string(groups);
}

// A whole number of 1 or more, or 0 if the text is anything else.
static int64_t positive(const std::string &text)
{
    int64_t value = 0;
    const char *end = text.data() + text.size();
    const auto [rest, error] = std::from_chars(text.data(), end, value);
    return error == std::errc() && rest == end && value > 0 ? value : 0;
}

Shape parse_shape(const std::string &text)
{
    const size_t slash = text.find('/');
    const std::string wanted = "shape " + text + " is not NxCxSPATIAL.../GROUPS of rank 2 to 8";
    if (slash == std::string::npos)
        throw UsageError(wanted);

    Shape shape = {{}, positive(text.substr(slash + 1))};
    std::istringstream dims(text.substr(0, slash) + 'x');
    int64_t elements = 1;
    for (std::string dim; std::getline(dims, dim, 'x');) {
        shape.dims.push_back(positive(dim));
        if (!shape.dims.back())
            throw UsageError(wanted);
        if (shape.dims.back() > MOST_ELEMENTS / elements)
            throw UsageError("shape " + text + " has too many elements");
        elements *= shape.dims.back();
    }
    if (!shape.groups || shape.dims.size() < 2 || shape.dims.size() > MOST_DIMS)
        throw UsageError(wanted);
    if (shape.channels() % shape.groups)
        throw UsageError("shape " + text + ": the groups do not divide the channels");
    return shape;
}

std::vector<Shape> read_shapes(const std::string &path)
{
    std::ifstream file(path);
    if (!file)
        throw UsageError("cannot read the shapes in " + path);
    std::vector<Shape> shapes;
    int number = 0;
    for (std::string line; std::getline(file, line);) {
        number++;
        if (line.empty() || line[0] == '#')
            continue;
        std::istringstream columns(line);
        std::string n, c, spatial, groups;
        columns >> n >> c >> spatial >> groups;
        try {
            shapes.push_back(parse_shape(n + 'x' + c + 'x' + spatial + '/' + groups));
        } catch (const UsageError &error) {
            throw UsageError(path + ", line " + std::to_string(number) + ": " + error.what());
        }
    }
    if (shapes.empty())
        throw UsageError("there are no shapes in " + path);
    return shapes;
}

} // namespace bench
