// Made from docs/openapi.json by `npm run api`: do not edit.

export interface paths {
    "/api/arena/about": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        get: operations["about"];
        put?: never;
        post?: never;
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/api/arena/battles": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        get: operations["list_battles"];
        put?: never;
        post: operations["open_battle"];
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/api/arena/battles/{battle_id}": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        get: operations["read_battle"];
        put?: never;
        post?: never;
        delete: operations["erase_battle"];
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/api/arena/battles/{battle_id}/board-change": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        get: operations["read_board_change"];
        put?: never;
        post?: never;
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/api/arena/battles/{battle_id}/votes": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        get?: never;
        put?: never;
        post: operations["vote"];
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/api/arena/battles/{battle_id}/votes/{round_number}/feedback": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        get: operations["read_feedback"];
        put: operations["keep_feedback"];
        post?: never;
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/api/arena/battles/{battle_id}/whole": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        get?: never;
        put?: never;
        post: operations["show_whole"];
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/api/arena/hosts": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        get: operations["list_hosts"];
        put?: never;
        post?: never;
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/api/arena/leaderboard": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        get: operations["leaderboard"];
        put?: never;
        post?: never;
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/api/arena/models": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        get: operations["list_models"];
        put?: never;
        post?: never;
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
}
export type webhooks = Record<string, never>;
export interface components {
    schemas: {
        About: {
            max_message: number;
            /** @enum {string} */
            named_votes: "leave_out" | "count";
            notice: string;
            num_models: number;
            open: boolean;
            /** @enum {string} */
            pace: "even" | "live";
            retention_days: number | null;
            undo_s: number;
        };
        AnswerError: {
            /** @enum {string} */
            code: "unavailable" | "timeout" | "overloaded" | "cut_off" | "empty" | "interrupted" | "cancelled";
            message: string;
        };
        AnswerEvent: {
            error?: components["schemas"]["AnswerError"];
            /** @enum {string} */
            finish_reason: "stop" | "length" | "error" | "cancelled";
            round: number;
            /** @enum {string} */
            side: "a" | "b";
        };
        AnswerTiming: {
            cached_prompt: boolean;
            cold: boolean;
            cost?: number | null;
            cut_prompt: boolean;
            decode_s: number | null;
            load_s: number | null;
            own_clock: boolean;
            prompt_s: number | null;
            /** @default 0 */
            prompt_tokens: number;
            queue_s: number | null;
            thinking_s: number;
            tokens: number;
            tokens_per_s: number | null;
            total_s: number | null;
            ttft_s: number | null;
        };
        BattleLine: {
            battle_id: string;
            /** Format: date-time */
            created_at: string;
            ended_at: string | null;
            erased: boolean;
            message: string;
            round: number;
            status: components["schemas"]["Status"];
        };
        BattleList: {
            battles: components["schemas"]["BattleLine"][];
            next: string | null;
        };
        BattleSide: {
            alias: string;
            error: components["schemas"]["AnswerError"] | null;
            finish_reason: ("stop" | "length" | "error" | "cancelled") | null;
            /** @enum {string} */
            state: "waiting" | "queued" | "loading" | "writing" | "done" | "failed";
            text: string;
        };
        BattleSides: {
            a: components["schemas"]["BattleSide"];
            b: components["schemas"]["BattleSide"];
        };
        BattleSnapshot: {
            battle_id: string;
            can_vote: boolean;
            cursor: string;
            events: string;
            message: string;
            reveal: components["schemas"]["Reveal"] | null;
            round: number;
            rounds_total: number;
            sides: components["schemas"]["BattleSides"];
            status: components["schemas"]["Status"];
            votes: components["schemas"]["RoundVote"][];
        };
        BoardChange: {
            left_out: {
                [key: string]: number;
            };
            models: components["schemas"]["ModelChange"][];
            other_votes: number;
            /** @enum {string} */
            state: "not_yet" | "counted" | "past" | "none";
            votes: number;
        };
        Boards: components["schemas"]["QualityBoard"] | components["schemas"]["SpeedBoard"];
        BoardStanding: {
            bounds: components["schemas"]["Bounds"];
            elo_rating: number;
            provisional: boolean;
            rank_high: number;
            rank_low: number;
            rating_lower: number | null;
            rating_upper: number | null;
        };
        /** @enum {string} */
        Bounds: "both" | "at_least" | "at_most" | "open" | "fixed" | "unknown";
        Contender: {
            capabilities: string[];
            digest: string;
            hosts: string[];
            model: string;
            quantization: string;
            resident_on: string[];
            same_everywhere: boolean;
            size_bytes: number;
        };
        ContenderList: {
            missing: components["schemas"]["MissingModel"][];
            models: components["schemas"]["Contender"][];
        };
        DeltaEvent: {
            round: number;
            /** @enum {string} */
            side: "a" | "b";
            text: string;
        };
        DoctorFinding: {
            cause: string;
            code: string;
            command: string | null;
            remedy: string;
            /** @enum {string} */
            severity: "error" | "warning" | "note";
            subject: string;
        };
        DrawnPair: {
            drawn: number;
            models: string[];
            share: number;
        };
        /** @enum {string} */
        Effect: "side" | "champion";
        EndEvent: {
            reveal: components["schemas"]["Reveal"];
            /** @enum {string} */
            status: "finished" | "stopped" | "failed";
        };
        ErrorBody: {
            code: string;
            error: string;
            field?: string;
            vote?: components["schemas"]["RoundVote"];
        };
        FeedbackBody: {
            comment?: string | null;
            reasons?: components["schemas"]["ReasonsBody"];
        };
        FullHosts: {
            findings: components["schemas"]["DoctorFinding"][];
            hosts: components["schemas"]["HostViewInFull"][];
            rotation: components["schemas"]["RotationView"] | null;
            running: number;
            /**
             * @description discriminator enum property added by openapi-typescript
             * @enum {string}
             */
            view: "full";
            waiting: number;
        };
        HistoryTurn: {
            content: string;
            /** @enum {string} */
            role: "user" | "assistant";
        };
        HostEvent: {
            at: string | null;
            /** @enum {string} */
            kind: "unloaded_by_others" | "expired" | "pushed_out" | "foreign_model" | "offloaded" | "context_shrunk" | "memory_misread" | "crashed" | "replaced" | "hung" | "slow" | "answer_refused" | "load_failed" | "load_hung" | "host_down" | "host_up";
        };
        HostEventInFull: {
            at: string | null;
            detail: string;
            /** @enum {string} */
            kind: "unloaded_by_others" | "expired" | "pushed_out" | "foreign_model" | "offloaded" | "context_shrunk" | "memory_misread" | "crashed" | "replaced" | "hung" | "slow" | "answer_refused" | "load_failed" | "load_hung" | "host_down" | "host_up";
            model: string;
        };
        Hosts: components["schemas"]["PublicHosts"] | components["schemas"]["FullHosts"];
        HostView: {
            driven: boolean;
            events: components["schemas"]["HostEvent"][];
            fallback: boolean;
            /** @enum {string} */
            health: "up" | "trying" | "down" | "unknown";
            kind: string;
            loading: boolean;
            max_models: number | null;
            memory_bytes: number | null;
            name: string;
            num_parallel: number;
            resident_vram_bytes: number;
            residents: components["schemas"]["ResidentModel"][];
            scale_to_zero: boolean;
            since: string | null;
            told_at: string | null;
            version: string;
            weight: number;
        };
        HostViewInFull: {
            allowed_models: string[];
            answer_s: {
                [key: string]: number;
            };
            driven: boolean;
            events: components["schemas"]["HostEventInFull"][];
            fallback: boolean;
            /** @enum {string} */
            health: "up" | "trying" | "down" | "unknown";
            kind: string;
            load_s: {
                [key: string]: number;
            };
            loading: boolean;
            loading_for_s: number | null;
            loading_model: string | null;
            max_models: number | null;
            memory_bytes: number | null;
            name: string;
            num_parallel: number;
            planned: string[];
            resident_vram_bytes: number;
            residents: components["schemas"]["ResidentModelInFull"][];
            running: number;
            running_by_model: {
                [key: string]: number;
            };
            scale_to_zero: boolean;
            since: string | null;
            tokens_per_s: {
                [key: string]: number;
            };
            told_at: string | null;
            unloads: components["schemas"]["UnloadedModel"][];
            url: string;
            version: string;
            waiting: number;
            waiting_by_model: {
                [key: string]: number;
            };
            warm_per_hour: number;
            weight: number;
            why: string;
        };
        /** @enum {string} */
        Inconsistency: "circle" | "lack_of_fit";
        LeaderboardBeingMade: {
            last_updated: number;
            leaderboard: components["schemas"]["LeaderboardRow"][];
            retry_after_s: number;
            speed: components["schemas"]["SpeedRow"][];
            /** @constant */
            state: "being_made";
        };
        LeaderboardContestant: {
            contestant: string | null;
            digest: string | null;
            name: string;
            quantization: string | null;
        };
        LeaderboardCounts: {
            a_wins: number;
            b_wins: number;
            battles: number;
            both_bad: number;
            islands: number;
            largest_prompt_share: number | null;
            largest_voter_share: number | null;
            left_out: {
                [key: string]: number;
            };
            prompts: number | null;
            rated: number;
            ties: number;
            voters: number;
            votes: number;
        };
        LeaderboardEffect: {
            elo: number;
            lower: number | null;
            upper: number | null;
        };
        LeaderboardFinding: {
            first: string | null;
            flips: number | null;
            flips_to: string | null;
            p_best: number | null;
            second: string | null;
            sentence: string;
            /** @enum {string} */
            state: "clear" | "open" | "not_enough_data";
            votes_to_separate: number | null;
        };
        LeaderboardMethod: {
            admitted: components["schemas"]["Mark"][];
            anchor: string | null;
            /** @enum {string} */
            both_bad: "tie" | "drop";
            category: string | null;
            clustered_by: ("battle" | "voter" | "prompt")[];
            effects: {
                [key: string]: components["schemas"]["LeaderboardEffect"];
            };
            /** @enum {string} */
            gauge: "centred" | "anchored";
            gauge_at: number;
            interval: string;
            language: string | null;
            level: number;
            minimum_votes: number;
            prior: string | null;
            since: number | null;
            style: {
                [key: string]: number;
            };
            tie_parameter: number | null;
            ties: components["schemas"]["Ties"];
        };
        LeaderboardPair: {
            both_bad: number;
            expected: number | null;
            losses: number;
            model: string;
            opponent: string;
            share: number | null;
            surprise: number | null;
            ties: number;
            wins: number;
        };
        LeaderboardPosition: {
            battles: number;
            battles_won_share: number | null;
            entry: number;
            votes: number;
            win_rate: number | null;
        };
        LeaderboardRow: {
            battles_fought: number;
            both_bad: number;
            bounds: components["schemas"]["Bounds"];
            chance_over_next: number | null;
            display_name: string;
            elo_rating: number;
            entries: number[];
            island: number;
            losses: number;
            model: string;
            p_best: number | null;
            provisional: boolean;
            rank: number;
            rank_high: number;
            rank_low: number;
            rating_lower: number | null;
            rating_upper: number | null;
            reasons: components["schemas"]["Provisional"][];
            retired: boolean;
            tied_with: number;
            ties: number;
            votes: number;
            win_rate: number;
            win_share: number;
            wins: number;
        };
        LeaderboardWarning: {
            kind: components["schemas"]["Inconsistency"];
            models: string[];
            sentence: string;
        };
        /** @enum {string} */
        Mark: "fallback" | "leaked" | "cut_prompt" | "named" | "batch";
        MissingModel: {
            model: string;
            remedy: string;
            suggestion: string | null;
        };
        ModelChange: {
            after: components["schemas"]["BoardStanding"] | null;
            before: components["schemas"]["BoardStanding"] | null;
            model: string;
        };
        OpenBody: {
            categories?: string[] | null;
            language?: string | null;
            message: string;
            messages?: components["schemas"]["HistoryTurn"][] | null;
            models?: string[] | null;
            num_models?: number | null;
            session_id?: string | null;
            system?: string | null;
        };
        OpenedBattle: {
            battle_id: string;
            can_vote: boolean;
            cursor: string;
            events: string;
            message: string;
            reveal: components["schemas"]["Reveal"] | null;
            round: number;
            rounds_total: number;
            sides: components["schemas"]["BattleSides"];
            status: components["schemas"]["Status"];
            token: string;
            votes: components["schemas"]["RoundVote"][];
        };
        /** @enum {string} */
        Provisional: "no_votes" | "unconnected" | "unbeaten" | "winless" | "one_sided" | "few_votes";
        PublicHosts: {
            hosts: components["schemas"]["HostView"][];
            running: number;
            /**
             * @description discriminator enum property added by openapi-typescript
             * @enum {string}
             */
            view: "public";
            waiting: number;
        };
        QualityBoard: {
            categories: string[];
            contestants: {
                [key: string]: components["schemas"]["LeaderboardContestant"];
            };
            counts: components["schemas"]["LeaderboardCounts"];
            finding: components["schemas"]["LeaderboardFinding"];
            head_to_head: components["schemas"]["LeaderboardPair"][];
            languages: string[];
            last_updated: number;
            leaderboard: components["schemas"]["LeaderboardRow"][];
            method: components["schemas"]["LeaderboardMethod"];
            positions: components["schemas"]["LeaderboardPosition"][];
            speed: components["schemas"]["SpeedRow"][];
            votes_of: string;
            warnings: components["schemas"]["LeaderboardWarning"][];
        };
        RankingLine: {
            alias: string;
            failed: boolean;
            fallback: boolean;
            host: string | null;
            model: string;
            place: number | null;
            timing: components["schemas"]["AnswerTiming"] | null;
        };
        ReadyEvent: {
            round: number;
        };
        /** @enum {string} */
        Reason: "useful" | "complete" | "creative" | "clear" | "incorrect" | "superficial" | "instructions_not_followed";
        ReasonsBody: {
            a?: components["schemas"]["Reason"][];
            b?: components["schemas"]["Reason"][];
        };
        ResetEvent: {
            round: number;
            /** @enum {string} */
            side: "a" | "b";
        };
        ResidentModel: {
            context_length: number | null;
            flags: string[];
            model: string;
            ours: boolean;
            size_bytes: number;
            vram_bytes: number;
        };
        ResidentModelInFull: {
            context_length: number | null;
            expires_at: string | null;
            flags: string[];
            model: string;
            ours: boolean;
            since: string | null;
            size_bytes: number;
            used: string | null;
            vram_bytes: number;
        };
        Reveal: {
            champion: string | null;
            ranking: components["schemas"]["RankingLine"][];
        };
        RotationView: {
            battles: number;
            came: string;
            drawn: {
                [key: string]: number;
            };
            earliest: string | null;
            latest: string | null;
            pairs: components["schemas"]["DrawnPair"][];
            probability: number;
            reserve: string[];
            set_id: string;
            sets: {
                [key: string]: string[];
            };
            since: string | null;
            went: string[];
            why: string;
            without_load: number | null;
        };
        RoundEvent: {
            round: number;
            rounds_total: number;
            sides: components["schemas"]["SeatedAliases"];
        };
        RoundVote: {
            aliases: components["schemas"]["SideAliases"];
            models?: components["schemas"]["SideModels"];
            round: number;
            verdict: components["schemas"]["Verdict"];
        };
        SeatedAlias: {
            alias: string;
        };
        SeatedAliases: {
            a: components["schemas"]["SeatedAlias"];
            b: components["schemas"]["SeatedAlias"];
        };
        /** @enum {string} */
        Side: "a" | "b";
        SideAliases: {
            a: string;
            b: string;
        };
        SideModels: {
            a: string;
            b: string;
        };
        SideReasons: {
            a: components["schemas"]["Reason"][];
            b: components["schemas"]["Reason"][];
        };
        SnapshotEvent: {
            battle_id: string;
            can_vote: boolean;
            cursor: string;
            events: string;
            message: string;
            reveal: components["schemas"]["Reveal"] | null;
            round: number;
            rounds_total: number;
            sides: components["schemas"]["BattleSides"];
            status: components["schemas"]["Status"];
            votes: components["schemas"]["RoundVote"][];
        };
        SpeedBoard: {
            answers_of: string;
            speed: components["schemas"]["SpeedRow"][];
        };
        SpeedRow: {
            answers: number;
            cold_answers: number;
            host: string;
            model: string;
            tokens_per_s_p5: number | null;
            tokens_per_s_p50: number | null;
            tokens_per_s_p95: number | null;
            ttft_s_p50: number | null;
            ttft_s_p95: number | null;
            warm_ttft_s_p50: number | null;
            warm_ttft_s_p95: number | null;
        };
        /** @enum {string} */
        Status: "running" | "finished" | "stopped" | "failed";
        StatusEvent: {
            eta_s?: number;
            place?: number;
            round: number;
            /** @enum {string} */
            side: "a" | "b";
            /** @enum {string} */
            state: "queued" | "loading" | "writing";
        };
        /** @enum {string} */
        Ties: "half_win" | "davidson" | "rao_kupper";
        UnloadedModel: {
            at: string | null;
            model: string;
            reason: ("makes_room" | "not_ours" | "rotated" | "degraded" | "offloaded" | "misread" | "requested") | null;
            why: string;
        };
        UnvoteEvent: {
            round: number;
        };
        /** @enum {string} */
        Verdict: "a" | "b" | "tie" | "both_bad";
        VoteBody: {
            client_time?: string | null;
            round: number;
            verdict: components["schemas"]["Verdict"];
        };
        VoteEvent: {
            aliases: components["schemas"]["SideAliases"];
            models?: components["schemas"]["SideModels"];
            round: number;
            verdict: components["schemas"]["Verdict"];
        };
        VoteFeedback: {
            comment: string | null;
            reasons: components["schemas"]["SideReasons"];
            round: number;
            verdict: components["schemas"]["Verdict"];
        };
        WholeBody: {
            round: number;
            side: components["schemas"]["Side"];
        };
    };
    responses: never;
    parameters: never;
    requestBodies: never;
    headers: never;
    pathItems: never;
}
export type $defs = Record<string, never>;
export interface operations {
    about: {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        requestBody?: never;
        responses: {
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["About"];
                };
            };
            default: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["ErrorBody"];
                };
            };
        };
    };
    list_battles: {
        parameters: {
            query?: {
                before?: string | null;
                limit?: number;
            };
            header?: {
                "X-Battle-Tokens"?: string | null;
            };
            path?: never;
            cookie?: never;
        };
        requestBody?: never;
        responses: {
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["BattleList"];
                };
            };
            400: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["ErrorBody"];
                };
            };
            403: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["ErrorBody"];
                };
            };
            503: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["ErrorBody"];
                };
            };
            default: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["ErrorBody"];
                };
            };
        };
    };
    open_battle: {
        parameters: {
            query?: never;
            header?: {
                "Idempotency-Key"?: string | null;
            };
            path?: never;
            cookie?: never;
        };
        requestBody: {
            content: {
                "application/json": components["schemas"]["OpenBody"];
            };
        };
        responses: {
            201: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["OpenedBattle"];
                };
            };
            400: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["ErrorBody"];
                };
            };
            409: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["ErrorBody"];
                };
            };
            413: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["ErrorBody"];
                };
            };
            415: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["ErrorBody"];
                };
            };
            503: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["ErrorBody"];
                };
            };
            default: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["ErrorBody"];
                };
            };
        };
    };
    read_battle: {
        parameters: {
            query?: never;
            header?: never;
            path: {
                battle_id: string;
            };
            cookie?: never;
        };
        requestBody?: never;
        responses: {
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["BattleSnapshot"];
                };
            };
            404: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["ErrorBody"];
                };
            };
            503: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["ErrorBody"];
                };
            };
            default: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["ErrorBody"];
                };
            };
        };
    };
    erase_battle: {
        parameters: {
            query?: never;
            header?: {
                "X-Battle-Token"?: string | null;
            };
            path: {
                battle_id: string;
            };
            cookie?: never;
        };
        requestBody?: never;
        responses: {
            204: {
                headers: {
                    [name: string]: unknown;
                };
                content?: never;
            };
            403: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["ErrorBody"];
                };
            };
            404: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["ErrorBody"];
                };
            };
            409: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["ErrorBody"];
                };
            };
            503: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["ErrorBody"];
                };
            };
            default: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["ErrorBody"];
                };
            };
        };
    };
    read_board_change: {
        parameters: {
            query?: never;
            header?: never;
            path: {
                battle_id: string;
            };
            cookie?: never;
        };
        requestBody?: never;
        responses: {
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["BoardChange"];
                };
            };
            404: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["ErrorBody"];
                };
            };
            503: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["ErrorBody"];
                };
            };
            default: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["ErrorBody"];
                };
            };
        };
    };
    vote: {
        parameters: {
            query?: never;
            header?: {
                "Idempotency-Key"?: string | null;
                "X-Battle-Token"?: string | null;
            };
            path: {
                battle_id: string;
            };
            cookie?: never;
        };
        requestBody: {
            content: {
                "application/json": components["schemas"]["VoteBody"];
            };
        };
        responses: {
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["BattleSnapshot"];
                };
            };
            400: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["ErrorBody"];
                };
            };
            403: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["ErrorBody"];
                };
            };
            404: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["ErrorBody"];
                };
            };
            409: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["ErrorBody"];
                };
            };
            413: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["ErrorBody"];
                };
            };
            415: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["ErrorBody"];
                };
            };
            503: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["ErrorBody"];
                };
            };
            default: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["ErrorBody"];
                };
            };
        };
    };
    read_feedback: {
        parameters: {
            query?: never;
            header?: {
                "X-Battle-Token"?: string | null;
            };
            path: {
                battle_id: string;
                round_number: number;
            };
            cookie?: never;
        };
        requestBody?: never;
        responses: {
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["VoteFeedback"];
                };
            };
            400: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["ErrorBody"];
                };
            };
            403: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["ErrorBody"];
                };
            };
            404: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["ErrorBody"];
                };
            };
            409: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["ErrorBody"];
                };
            };
            503: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["ErrorBody"];
                };
            };
            default: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["ErrorBody"];
                };
            };
        };
    };
    keep_feedback: {
        parameters: {
            query?: never;
            header?: {
                "X-Battle-Token"?: string | null;
            };
            path: {
                battle_id: string;
                round_number: number;
            };
            cookie?: never;
        };
        requestBody: {
            content: {
                "application/json": components["schemas"]["FeedbackBody"];
            };
        };
        responses: {
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["VoteFeedback"];
                };
            };
            400: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["ErrorBody"];
                };
            };
            403: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["ErrorBody"];
                };
            };
            404: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["ErrorBody"];
                };
            };
            409: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["ErrorBody"];
                };
            };
            413: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["ErrorBody"];
                };
            };
            415: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["ErrorBody"];
                };
            };
            503: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["ErrorBody"];
                };
            };
            default: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["ErrorBody"];
                };
            };
        };
    };
    show_whole: {
        parameters: {
            query?: never;
            header?: {
                "X-Battle-Token"?: string | null;
            };
            path: {
                battle_id: string;
            };
            cookie?: never;
        };
        requestBody: {
            content: {
                "application/json": components["schemas"]["WholeBody"];
            };
        };
        responses: {
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["BattleSnapshot"];
                };
            };
            400: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["ErrorBody"];
                };
            };
            403: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["ErrorBody"];
                };
            };
            404: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["ErrorBody"];
                };
            };
            409: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["ErrorBody"];
                };
            };
            413: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["ErrorBody"];
                };
            };
            415: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["ErrorBody"];
                };
            };
            503: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["ErrorBody"];
                };
            };
            default: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["ErrorBody"];
                };
            };
        };
    };
    list_hosts: {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        requestBody?: never;
        responses: {
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["Hosts"];
                };
            };
            503: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["ErrorBody"];
                };
            };
            default: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["ErrorBody"];
                };
            };
        };
    };
    leaderboard: {
        parameters: {
            query?: {
                anchor?: string;
                board?: "quality" | "speed";
                both_bad?: string;
                category?: string;
                cluster?: string;
                effects?: string;
                include?: string;
                language?: string;
                since?: string;
                style?: string;
                ties?: string;
            };
            header?: never;
            path?: never;
            cookie?: never;
        };
        requestBody?: never;
        responses: {
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["Boards"];
                };
            };
            202: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["LeaderboardBeingMade"];
                };
            };
            400: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["ErrorBody"];
                };
            };
            503: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["ErrorBody"];
                };
            };
            default: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["ErrorBody"];
                };
            };
        };
    };
    list_models: {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        requestBody?: never;
        responses: {
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["ContenderList"];
                };
            };
            503: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["ErrorBody"];
                };
            };
            default: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["ErrorBody"];
                };
            };
        };
    };
}
