__thread long shared[3] = {7, 8, 9};
