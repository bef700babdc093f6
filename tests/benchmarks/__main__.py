"""Measure this package against its peers, one thread, and write the table and the plots of the README.

Run from the root of the repository: python -m tests.benchmarks [--jobs ode,dde] [--quick] [--out FOLDER]
"""

import os

# before NumPy, numba, torch and XLA are imported: they read these once
ONE_THREAD = {
    "OMP_NUM_THREADS": "1",
    "OPENBLAS_NUM_THREADS": "1",
    "MKL_NUM_THREADS": "1",
    "NUMBA_NUM_THREADS": "1",
    "NPROC": "1",
    "XLA_FLAGS": "--xla_cpu_multi_thread_eigen=false intra_op_parallelism_threads=1",
    "JAX_PLATFORMS": "cpu",
}
os.environ.update(ONE_THREAD)

if __name__ == "__main__":
    from tests.benchmarks.run import main

    main()
