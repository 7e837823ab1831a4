# One of several machines that train together: run it on each, from the repository, with the same arguments of `iterpref train`.
#   MACHINES=2 RANK=0 HOST=node-a sh config/accelerate/machines.sh --pairs ... --out /shared/trained      # on node-a
#   MACHINES=2 RANK=1 HOST=node-a sh config/accelerate/machines.sh --pairs ... --out /shared/trained      # on node-b
#   srun --nodes 2 --ntasks-per-node 1 sh config/accelerate/machines.sh --pairs ... --out /shared/trained # under Slurm
# HOST is the machine of rank 0, which listens on PORT (29500). PROCESSES is a machine's: by default one a GPU.
# CONFIG is a configuration of accelerate (config/accelerate/fsdp2.yaml). Described in docs/training-distributed.md.
set -eu
missing() {
    echo "error: $1 is not set; say MACHINES (how many), RANK (of this one, from 0) and HOST (that of rank 0)" >&2
    exit 2
}
if [ -n "${SLURM_JOB_NODELIST:-}" ]; then
    : "${MACHINES:=$SLURM_JOB_NUM_NODES}" "${RANK:=$SLURM_NODEID}"
    : "${HOST:=$(scontrol show hostnames "$SLURM_JOB_NODELIST" | head -n 1)}"
fi
[ -n "${MACHINES:-}" ] || missing MACHINES
[ -n "${RANK:-}" ] || missing RANK
[ -n "${HOST:-}" ] || missing HOST
if [ -z "${PROCESSES:-}" ]; then
    PROCESSES=$(nvidia-smi --list-gpus 2> /dev/null | wc -l)
    [ "$PROCESSES" -gt 0 ] || PROCESSES=1
fi
exec python -m accelerate.commands.launch --config_file "${CONFIG:-config/accelerate/fsdp2.yaml}" \
    --num_machines "$MACHINES" --machine_rank "$RANK" --num_processes "$((MACHINES * PROCESSES))" \
    --rdzv_backend static --main_process_ip "$HOST" --main_process_port "${PORT:-29500}" \
    -m iterpref_core.cli train "$@"
