/* One row scored by leaf masks in C: what numba's kernel is held against.

   The arrays are those of churnkit.trees.engines.kernel_arguments.RowArguments. `prepare` takes
   their addresses and the number of features, `score` a list of floats. One model per process,
   one thread: a measurement, not a product. */
#define Py_LIMITED_API 0x030B0000
#include <Python.h>
#include <stdint.h>

#if defined(__x86_64__) && defined(__GNUC__)
#define FOR_EACH_PROCESSOR \
    __attribute__((target_clones("default", "arch=x86-64-v3", "arch=x86-64-v4")))
#else
#define FOR_EACH_PROCESSOR
#endif

static const int32_t *integers;
static const double *numbers;
static const uint64_t *words;
static double *row;
static uint64_t *reached;
static Py_ssize_t width;

static inline uint64_t code_of(const int32_t *record)
{
    double value = row[record[0]];
    if (value != value)
        return (uint64_t)record[4];
    if (record[6]) {
        if (!(value > -1.0 && value < record[3]))
            return 0;
        int64_t category = (int64_t)value;
        if (integers[2] && (double)category != value)
            return 0;
        return (uint64_t)integers[record[2] + category];
    }
    if (value <= numbers[0] && -value <= numbers[0]) {
        if (record[5] >= 0)
            return (uint64_t)record[5];
        value = 0.0;
    }
    const double *tree = numbers + record[2];
    uint64_t node = 0;
    for (int level = 0; level < record[3]; level++)
        node = 2 * node + 1 + (tree[node] < value);
    return node + 1 - (1ULL << record[3]);
}

FOR_EACH_PROCESSOR static double score_row(void)
{
    uint64_t n_inputs = (uint64_t)integers[0], n_words = (uint64_t)integers[4];
    uint64_t n_trees = (uint64_t)integers[5], *masks = reached + n_words + 1, used = 0;
    for (; used < n_inputs; used++) {
        const int32_t *record = integers + 8 + 8 * used;
        masks[used] = ((uint64_t)record[1] + code_of(record)) * n_words;
    }
    while (used % 6)
        masks[used++] = masks[0];
    for (uint64_t word = 0; word < n_words; word++)
        reached[word] = ~0ULL;
    reached[n_words] = 0;
    for (uint64_t i = 0; i < used; i += 6) {
        const uint64_t *a = words + masks[i], *b = words + masks[i + 1], *c = words + masks[i + 2];
        const uint64_t *d = words + masks[i + 3], *e = words + masks[i + 4],
                       *f = words + masks[i + 5];
        for (uint64_t word = 0; word < n_words; word++)
            reached[word] &= a[word] & b[word] & c[word] & d[word] & e[word] & f[word];
    }
    const double *values = numbers + integers[1];
    const int32_t *starts = integers + integers[6];
    double total = 0.0;
    for (uint64_t tree = 0; tree < n_trees; tree++) {
        uint64_t leaf = (uint64_t)starts[tree], bits;
        for (;; leaf += 64) {
            uint64_t word = leaf >> 6, shift = leaf & 63;
            bits = reached[word] >> shift | (reached[word + 1] << 1) << (63 - shift);
            if (bits)
                break;
        }
        total += values[leaf + (uint64_t)__builtin_ctzll(bits)];
    }
    return total;
}

static PyObject *prepare(PyObject *self, PyObject *args)
{
    unsigned long long at[5];
    if (!PyArg_ParseTuple(args, "KKKKKn", at, at + 1, at + 2, at + 3, at + 4, &width))
        return NULL;
    integers = (const int32_t *)at[0];
    numbers = (const double *)at[1];
    words = (const uint64_t *)at[2];
    row = (double *)at[3];
    reached = (uint64_t *)at[4];
    Py_RETURN_NONE;
}

static PyObject *score(PyObject *self, PyObject *const *args, Py_ssize_t count)
{
    if (count != 1 || !PyList_Check(args[0]) || PyList_Size(args[0]) != width) {
        PyErr_SetString(PyExc_ValueError, "a list of one number per feature is needed");
        return NULL;
    }
    for (Py_ssize_t i = 0; i < width; i++)
        row[i] = PyFloat_AsDouble(PyList_GetItem(args[0], i));
    if (PyErr_Occurred())
        return NULL;
    return PyFloat_FromDouble(score_row());
}

static PyMethodDef methods[] = {
    {"prepare", prepare, METH_VARARGS, NULL},
    {"score", (PyCFunction)(void (*)(void))score, METH_FASTCALL, NULL},
    {NULL, NULL, 0, NULL},
};
static struct PyModuleDef module = {PyModuleDef_HEAD_INIT, "row_extension", NULL, -1, methods};

PyMODINIT_FUNC PyInit_row_extension(void)
{
    return PyModule_Create(&module);
}
