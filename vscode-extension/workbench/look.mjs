// A check that only looks: when it fails, the story goes on.
export const look = (check) => Object.assign(check, { looks: true });
