// slurm
